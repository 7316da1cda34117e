// A schedule from a seed: a cluster's size and policy, and what happens to it when. Several kinds of seeds: most mix
// everything, some let one kind of fault happen again and again, so that rare combinations come up.
import type { Durability, Tags } from "./cluster.ts";
import type { ConsulDay, Step, Who } from "./steps.ts";
import { randomOf, type Random } from "./random.ts";
import { storyOf } from "./stories.ts";

export type Schedule = {
  readonly seed: number;
  readonly nodes: number;
  readonly durability: Partial<Durability>;
  /** By node name; absent: as they come. */
  readonly tags?: Readonly<Record<string, Partial<Tags>>>;
  readonly steps: readonly Step[];
};

/** Faults happen in here, ms: the cluster is founded before, and heals after. */
export const FAULTS_FROM_MS = 12_000;
export const FAULTS_UNTIL_MS = 115_000;
export const HEAL_AT_MS = 120_000;
/** A schedule's length: what did not converge by then does not converge. */
export const END_AT_MS = 200_000;

/** Actions after or before which a crash is most telling. */
const CRASH_ACTIONS = [
  "elect",
  "promise",
  "take-over",
  "publish",
  "mark",
  "open",
  "commit-change",
  "cut",
  "cut-all",
  "raise-acks",
  "drain",
  "hand-over",
  "release-lock",
  "follow",
  "set-semi-sync",
  "set-aside",
  "provision",
  "settle-datadir",
  "reacquire",
  "admit",
] as const;

const CONSUL_DAYS = [
  "down",
  "restart",
  "leaderless",
  "slow",
  "lossy",
  "late",
  "twice",
  "failing",
  "stale",
  "denied",
] as const satisfies readonly ConsulDay[];

type Kind = (random: Random, at: number, who: () => Who) => Step;

const ms = (random: Random): number =>
  Math.round(random.chance(0.5) ? random.between(200, 4_000) : random.between(4_000, 20_000));

const KINDS: Readonly<Record<string, Kind>> = {
  mysqld: (_, at, who) => ({ at, do: "kill-mysqld", node: who() }),
  commit: (random, at, who) => ({
    at,
    do: "kill-in-commit",
    node: who(),
    withinMs: random.pick([0, 0.5, 2]),
  }),
  crash: (random, at, who) => ({
    at,
    do: "crash-at",
    node: who(),
    action: random.pick(CRASH_ACTIONS),
    when: random.pick(["before", "after"]),
  }),
  node: (random, at, who) => ({ at, do: "kill-node", node: who(), ms: ms(random) }),
  stop: (random, at, who) => ({ at, do: "stop-node", node: who(), ms: 3_000 + ms(random) }),
  all: (random, at) => ({ at, do: "kill-all", ms: ms(random) }),
  stopAll: (random, at) => ({ at, do: "stop-cluster", ms: 15_000 + ms(random) }),
  pauseAll: (random, at) => ({ at, do: "pause-cluster", ms: ms(random) }),
  pause: (random, at, who) => ({
    at,
    do: random.pick(["pause-agent", "pause-loop", "pause-mysqld", "pause-node"]),
    node: who(),
    ms: ms(random),
  }),
  cut: (random, at, who) => ({
    at,
    do: "cut",
    node: who(),
    from: random.chance(0.4) ? "consul" : who(),
    ms: ms(random),
  }),
  oneWay: (random, at, who) => ({
    at,
    do: "cut",
    node: who(),
    from: random.chance(0.3) ? "consul" : who(),
    way: random.pick(["to-it", "from-it"]),
    ms: ms(random),
  }),
  isolate: (random, at, who) => ({ at, do: "isolate", node: who(), ms: ms(random) }),
  consul: (random, at) => ({
    at,
    do: "consul",
    how: random.pick(CONSUL_DAYS),
    ms: random.chance(0.1) ? 60_000 : ms(random),
  }),
  sessions: (_, at) => ({ at, do: "lose-sessions" }),
  lose: (_, at, who) => ({ at, do: "lose-disk", node: who() }),
  disk: (random, at, who) => ({
    at,
    do: random.pick(["disk-full", "disk-slow", "applier-slow"]),
    node: who(),
    ms: ms(random),
  }),
  replication: (random, at, who) => ({
    at,
    do: random.pick(["applier-error", "receiver-slow-to-stop"]),
    node: who(),
    ms: ms(random),
  }),
  large: (random, at) => ({ at, do: "long-transaction", ms: ms(random) }),
  power: (random, at, who) => ({ at, do: "power-loss", node: who(), ms: ms(random) }),
  deny: (random, at, who) => ({ at, do: "deny", node: who(), ms: ms(random) }),
  drift: (random, at, who) => ({
    at,
    do: "clock-drift",
    node: who(),
    rate: random.pick([0.7, 0.95, 1.05, 1.4]),
    ms: 3 * ms(random),
  }),
  volume: (random, at, who) => ({ at, do: "old-volume", node: who(), ms: 5_000 + 3 * ms(random) }),
  restore: (random, at) => ({
    at,
    do: "restore-consul",
    to: random.chance(0.7) ? "snapshot" : "nothing",
    ms: 5_000 + 3 * ms(random),
  }),
  half: (_, at, who) => ({ at, do: "break-provisioning", node: who() }),
  errant: (_, at, who) => ({ at, do: "errant", node: who() }),
  purge: (_, at, who) => ({ at, do: "purge", node: who() }),
  rebuild: (_, at, who) => ({ at, do: "rebuild", node: who() }),
  wall: (random, at, who) => ({
    at,
    do: "wall-jump",
    node: who(),
    ms: Math.round(random.between(-20_000, 20_000)),
  }),
  slow: (random, at) => ({ at, do: "network-slow", by: random.pick([5, 50, 300]), ms: ms(random) }),
  switchover: (random, at, who) => ({
    at,
    do: "switchover",
    to: random.chance(0.5) ? null : who(),
  }),
  add: (_, at) => ({ at, do: "add-node" }),
  remove: (_, at, who) => ({ at, do: "remove-node", node: who() }),
};

/** How often each comes up in a mix. */
const MIX: readonly (readonly [kind: string, weight: number])[] = [
  ["oneWay", 6],
  ["replication", 3],
  ["large", 2],
  ["power", 3],
  ["deny", 2],
  ["drift", 2],
  ["mysqld", 8],
  ["commit", 8],
  ["crash", 12],
  ["node", 8],
  ["stop", 5],
  ["all", 1],
  ["stopAll", 1],
  ["pauseAll", 1],
  ["pause", 10],
  ["cut", 12],
  ["isolate", 6],
  ["consul", 7],
  ["sessions", 2],
  ["lose", 2],
  ["disk", 4],
  ["volume", 1],
  ["restore", 0.5],
  ["half", 1],
  ["errant", 1],
  ["purge", 1],
  ["rebuild", 1.5],
  ["wall", 1],
  ["slow", 2],
  ["switchover", 6],
  ["add", 1],
  ["remove", 0.5],
];

export function scheduleOf(seed: number, nodes: number): Schedule {
  const random = randomOf(seed * 2 + 1);
  const names = Array.from({ length: nodes }, (_, at) => `n${at + 1}`);
  const who = (): Who => {
    if (random.chance(0.4)) return "primary";
    return random.chance(0.2) ? "replica" : random.pick(names);
  };
  const pick = pickerOf(random);
  const count = random.whole(1, 12);
  const steps = Array.from({ length: count }, () => {
    const at = Math.round(random.between(FAULTS_FROM_MS, FAULTS_UNTIL_MS));
    return (KINDS[pick()] as Kind)(random, at, who);
  });
  const stories = random.chance(0.6) ? random.whole(1, 4) : 0;
  const told = Array.from({ length: stories }, () =>
    storyOf(random, Math.round(random.between(FAULTS_FROM_MS, FAULTS_UNTIL_MS - 25_000)), names),
  ).flat();
  // Faults that overlap are where the interesting states are.
  const bursts = random.chance(0.5) ? burst(steps, random) : steps;
  return {
    seed,
    nodes,
    durability: durabilityOf(random, nodes),
    tags: tagsOf(random, names),
    // A story may end after the faults' time: then its end is cut off.
    steps: [...bursts, ...told]
      .filter((step) => step.at <= FAULTS_UNTIL_MS)
      .toSorted((a, b) => a.at - b.at),
  };
}

function pickerOf(random: Random): () => string {
  const few = random.chance(0.4) ? random.whole(2, 4) : MIX.length;
  const mix = few === MIX.length ? MIX : Array.from({ length: few }, () => weighted(random, MIX));
  return () => weighted(random, mix)[0];
}

function weighted(random: Random, mix: typeof MIX): (typeof MIX)[number] {
  let left = random.next() * mix.reduce((sum, [, weight]) => sum + weight, 0);
  for (const entry of mix) if ((left -= entry[1]) <= 0) return entry;
  return mix[0] as (typeof MIX)[number];
}

function burst(steps: readonly Step[], random: Random): Step[] {
  let at = FAULTS_FROM_MS;
  return steps.map((step) => {
    at += random.chance(0.3) ? random.between(5_000, 30_000) : random.between(0, 2_500);
    return { ...step, at: Math.min(Math.round(at), FAULTS_UNTIL_MS) };
  });
}

function durabilityOf(random: Random, nodes: number): Partial<Durability> {
  const dice = random.next();
  if (dice < 0.65) return nodes === 5 && random.chance(0.5) ? { acks: 2, voters: 5 } : {};
  if (dice < 0.75) return { acks: 2, voters: Math.max(3, nodes) };
  if (dice < 0.82) return { minAcks: 1 };
  if (dice < 0.87) return { acks: 1, voters: nodes };
  return { dropVoterAfter: 6_000, aloneAfter: random.pick([2_000, 5_000]) };
}

/** Mostly none: whom the cluster prefers, and whom it must not elect, only matters where there is a choice. */
function tagsOf(random: Random, names: readonly string[]): NonNullable<Schedule["tags"]> {
  if (random.chance(0.75)) return {};
  const tags: Record<string, Partial<Tags>> = {};
  for (const name of names) {
    if (random.chance(0.4)) tags[name] = { priority: random.pick([50, 200]) };
    else if (random.chance(0.3)) tags[name] = { zone: random.pick(["a", "b"]) };
  }
  if (names.length > 2 && random.chance(0.6)) tags[random.pick(names)] = { noFailover: true };
  return tags;
}
