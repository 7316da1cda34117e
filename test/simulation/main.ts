// `npm run sim`: schedules from seeds, one after the other, until their number or the time is over. A failing one is
// shrunk and printed as a test. Options: --seeds N --minutes M --seed S (that one alone, told aloud) --nodes 3|5
import { parseArgs } from "node:util";
import { scheduleOf, type Schedule } from "./schedule.ts";
import { shrink } from "./shrink.ts";
import { simulate } from "./simulate.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000000" },
    minutes: { type: "string", default: "1" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    nodes: { type: "string" },
    keepgoing: { type: "boolean", default: false },
    noshrink: { type: "boolean", default: false },
    quiet: { type: "boolean", default: false },
  },
});

const nodesOf = (seed: number): number =>
  values.nodes === undefined ? (seed % 4 === 0 ? 5 : 3) : Number(values.nodes);

async function one(seed: number): Promise<number> {
  const schedule = scheduleOf(seed, nodesOf(seed));
  const { violation, at } = await simulate(schedule, (node, line) => {
    if (!values.quiet) console.log(`${node} ${line}`);
  });
  console.log(
    violation === null ? "no violation" : `${(at / 1_000).toFixed(3)} ${violation.message}`,
  );
  return violation === null ? 0 : 1;
}

async function many(): Promise<number> {
  const startedAt = performance.now();
  const until = startedAt + Number(values.minutes) * 60_000;
  const from = Number(values.from);
  let failed = 0;
  let done = 0;
  for (let seed = from; seed < from + Number(values.seeds) && performance.now() < until; seed++) {
    const schedule = scheduleOf(seed, nodesOf(seed));
    const { violation, at } = await simulate(schedule);
    done += 1;
    if (violation === null) continue;
    failed += 1;
    console.log(
      `seed ${seed} (${schedule.nodes} nodes) at ${(at / 1_000).toFixed(1)} s: ${violation.message.slice(0, 400)}`,
    );
    if (values.keepgoing) continue;
    if (values.noshrink) break;
    print(await shrink(schedule, violation.rule));
    break;
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  console.log(
    `${done} schedules in ${seconds.toFixed(1)} s (${(done / seconds).toFixed(1)}/s), ${failed} failed`,
  );
  return failed === 0 ? 0 : 1;
}

function print(schedule: Schedule): void {
  console.log(`shrunk to ${schedule.steps.length} steps; as a test:\n`);
  console.log(`  test("seed ${schedule.seed}: …", () => holds(${JSON.stringify(schedule)}));\n`);
}

process.exitCode = values.seed === undefined ? await many() : await one(Number(values.seed));
process.exit();
