// `npm run sim`: schedules from seeds on all cores, until their number or the time is over. The first failing one is shrunk
// and printed as a test; the last line says in JSON what was run. Options: README.md beside this file.
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { scheduleOf, type Schedule } from "./schedule.ts";
import { shrink } from "./shrink.ts";
import { simulate } from "./simulate.ts";
import { nodesOf, soak, summary, type Failure, type Shard } from "./soak.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000000" },
    minutes: { type: "string", default: "1" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    nodes: { type: "string" },
    workers: { type: "string" },
    keepgoing: { type: "boolean", default: false },
    noshrink: { type: "boolean", default: false },
    quiet: { type: "boolean", default: false },
  },
});

/** So few are over before a second process has started. */
const FEW_SEEDS = 64;

async function one(seed: number): Promise<number> {
  const schedule = scheduleOf(
    seed,
    values.nodes === undefined ? nodesOf(seed) : Number(values.nodes),
  );
  const { violation, at } = await simulate(schedule, (node, line) => {
    if (!values.quiet) console.log(`${node} ${line}`);
  });
  console.log(
    violation === null ? "no violation" : `${(at / 1_000).toFixed(3)} ${violation.message}`,
  );
  return violation === null ? 0 : 1;
}

async function many(): Promise<number> {
  const from = Number(values.from);
  const shard: Shard = {
    from,
    to: from + Number(values.seeds),
    step: 1,
    minutes: Number(values.minutes),
    nodes: values.nodes === undefined ? null : Number(values.nodes),
    keepGoing: values.keepgoing,
  };
  const few = Number(values.seeds) < FEW_SEEDS;
  const workers = Number(values.workers ?? (few ? 1 : availableParallelism()));
  const startedAt = performance.now();
  const heard: Failure[] = [];
  const tally = await soak(shard, workers, (failure) => {
    heard.push(failure);
    console.log(`seed ${failure.seed} (${failure.nodes} nodes): ${failure.says}`);
  });
  const seconds = (performance.now() - startedAt) / 1_000;
  const [first] = heard;
  if (first !== undefined && !values.keepgoing && !values.noshrink) await smaller(first);
  console.log(summary(tally, shard, seconds, workers));
  return first === undefined ? 0 : 1;
}

async function smaller({ seed, nodes, rule }: Failure): Promise<void> {
  const schedule: Schedule = await shrink(scheduleOf(seed, nodes), rule);
  console.log(`shrunk to ${schedule.steps.length} steps; as a test for regressions.test.ts:\n`);
  console.log(`test("seed ${seed}: …", () => holds(${JSON.stringify(schedule)}));\n`);
}

process.exitCode = values.seed === undefined ? await many() : await one(Number(values.seed));
