// Schedules from seeds, one after the other, until their number or the time is over; what they did, added up. A soak runs
// as several processes, one per core, each with every n-th seed.
import { fork, type ChildProcess } from "node:child_process";
import { never, sum, type Seen } from "./effects.ts";
import { END_AT_MS, scheduleOf } from "./schedule.ts";
import { simulate } from "./simulate.ts";

export type Failure = {
  readonly seed: number;
  readonly nodes: number;
  readonly rule: string;
  readonly says: string;
};

/** What some schedules did. */
export type Tally = {
  readonly schedules: number;
  /** The highest seed that was run. */
  readonly last: number;
  readonly virtualSeconds: number;
  /** By number of nodes. */
  readonly sizes: Readonly<Record<string, number>>;
  readonly acknowledged: number;
  /** Why a cluster need not have come to rest, and how often. */
  readonly excused: Readonly<Record<string, number>>;
  readonly effects: Seen;
  readonly cpuSeconds: number;
  readonly failures: readonly Failure[];
};

export type Shard = {
  readonly from: number;
  readonly to: number;
  readonly step: number;
  readonly minutes: number;
  /** Null: as the seed says. */
  readonly nodes: number | null;
  readonly keepGoing: boolean;
};

const NOTHING: Tally = {
  schedules: 0,
  last: 0,
  virtualSeconds: 0,
  sizes: {},
  acknowledged: 0,
  excused: {},
  effects: {},
  cpuSeconds: 0,
  failures: [],
};

/** Three mostly, five every fourth; two and four now and then. */
export function nodesOf(seed: number): number {
  if (seed % 4 === 0) return 5;
  if (seed % 10 === 1) return 2;
  return seed % 10 === 3 ? 4 : 3;
}

type Hears = {
  /** Of each failure at once. */
  readonly onFailure: (failure: Failure) => void;
  /** Whether to stop before the next schedule. */
  readonly enough: () => boolean;
};

/** Runs the shard in this process. */
export async function run(shard: Shard, { onFailure, enough }: Hears): Promise<Tally> {
  const until = performance.now() + shard.minutes * 60_000;
  const cpu = process.cpuUsage();
  let tally = NOTHING;
  for (let seed = shard.from; seed < shard.to; seed += shard.step) {
    if (performance.now() >= until || enough()) break;
    const one = await tallyOf(seed, shard.nodes ?? nodesOf(seed));
    tally = added(tally, one);
    const [failure] = one.failures;
    if (failure === undefined) continue;
    onFailure(failure);
    if (!shard.keepGoing) break;
  }
  const { user, system } = process.cpuUsage(cpu);
  return { ...tally, cpuSeconds: (user + system) / 1e6 };
}

async function tallyOf(seed: number, nodes: number): Promise<Tally> {
  const { violation, cluster } = await simulate(scheduleOf(seed, nodes));
  const { world, judge, clients } = cluster;
  const { excuse } = judge;
  return {
    schedules: 1,
    last: seed,
    virtualSeconds: (violation === null ? END_AT_MS : world.now) / 1_000,
    sizes: { [nodes]: 1 },
    acknowledged: clients.oks,
    excused: excuse === null ? {} : { [excuse]: 1 },
    effects: world.seen,
    cpuSeconds: 0,
    failures:
      violation === null
        ? []
        : [{ seed, nodes, rule: violation.rule, says: violation.message.slice(0, 400) }],
  };
}

function added(a: Tally, b: Tally): Tally {
  return {
    schedules: a.schedules + b.schedules,
    last: Math.max(a.last, b.last),
    virtualSeconds: a.virtualSeconds + b.virtualSeconds,
    sizes: counts(a.sizes, b.sizes),
    acknowledged: a.acknowledged + b.acknowledged,
    excused: counts(a.excused, b.excused),
    effects: sum(a.effects, b.effects),
    cpuSeconds: a.cpuSeconds + b.cpuSeconds,
    failures: [...a.failures, ...b.failures],
  };
}

function counts(
  a: Readonly<Record<string, number>>,
  b: Readonly<Record<string, number>>,
): Record<string, number> {
  const all = { ...a };
  for (const [name, count] of Object.entries(b)) all[name] = (all[name] ?? 0) + count;
  return all;
}

/** A message of a worker: a failure at once, and its tally at the end. It hears ENOUGH. */
type Message = { readonly failure: Failure } | { readonly tally: Tally };
const ENOUGH = "enough";

/** Runs the shard in `workers` processes. The first failure ends them all, unless the shard keeps going. */
export async function soak(
  shard: Shard,
  workers: number,
  onFailure: (failure: Failure) => void,
): Promise<Tally> {
  if (workers === 1) return run(shard, { onFailure, enough: () => false });
  let over = false;
  const failed = (failure: Failure): void => {
    if (over) return;
    onFailure(failure);
    if (shard.keepGoing) return;
    over = true;
    // Who cannot hear it has ended already, and its exit says how.
    for (const child of children) if (child.connected) child.send(ENOUGH, () => {});
  };
  const children = Array.from({ length: workers }, (_, at) => {
    const own: Shard = { ...shard, from: shard.from + at * shard.step, step: shard.step * workers };
    // Many short-lived objects: a larger nursery collects them at less cost.
    const execArgv = ["--max-semi-space-size=64"];
    return fork(import.meta.filename, [JSON.stringify(own)], { execArgv });
  });
  return (await Promise.all(children.map((child) => tallyFrom(child, failed)))).reduce(
    added,
    NOTHING,
  );
}

/** Errors: it ended without a word. */
function tallyFrom(child: ChildProcess, onFailure: (failure: Failure) => void): Promise<Tally> {
  return new Promise((resolve, reject) => {
    let tally: Tally | null = null;
    child.on("message", (message: Message) => {
      if ("tally" in message) tally = message.tally;
      else onFailure(message.failure);
    });
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      if (tally !== null) resolve(tally);
      else reject(new Error(`a worker of the soak ended (${signal ?? code}) and said nothing`));
    });
  });
}

/** One line that says what was run: for whoever quotes it. */
export function summary(tally: Tally, shard: Shard, seconds: number, workers: number): string {
  const { schedules, cpuSeconds, failures, effects } = tally;
  return JSON.stringify({
    schedules,
    virtualSeconds: Math.round(tally.virtualSeconds),
    seconds: round(seconds),
    perSecond: round(schedules / seconds),
    cpuSeconds: round(cpuSeconds),
    perCpuSecond: round(schedules / cpuSeconds),
    workers,
    violations: failures.length,
    failed: failures.map(({ seed, nodes, rule }) => ({ seed, nodes, rule })),
    seeds: { from: shard.from, to: tally.last },
    nodes: tally.sizes,
    acknowledged: tally.acknowledged,
    excused: tally.excused,
    effects,
    neverSeen: never(effects),
  });
}

const round = (n: number): number => Math.round(n * 10) / 10;

async function work(shard: Shard): Promise<void> {
  let over = false;
  process.on("message", (message) => (over ||= message === ENOUGH));
  const say = (message: Message): void => void process.send?.(message);
  const tally = await run(shard, {
    onFailure: (failure) => say({ failure }),
    enough: () => over,
  });
  process.send?.({ tally } satisfies Message, () => {
    if (process.connected) process.disconnect();
  });
}

if (process.argv[1] === import.meta.filename && process.send !== undefined)
  await work(JSON.parse(process.argv[2] ?? "") as Shard);
