// Whole clusters from seeds for a minute: none loses, undoes or hides a write, none has two primaries, and each comes to rest
// after everything healed. Each seed is the same run everywhere; how many of them fit into the minute is the machine's.
import { expect, test } from "vitest";
import { scheduleOf } from "./schedule.ts";
import { simulate } from "./simulate.ts";
import { run, summary, type Shard } from "./soak.ts";

const BUDGET_MINUTES = 1;
/** However slow the machine is: fewer prove nothing. */
const FLOOR = 60;
/** However fast it is: what a change breaks must not depend on the machine. Further seeds are the soak's (`npm run sim`). */
const MOST = 700;

async function schedules(shard: Shard): Promise<number> {
  const startedAt = performance.now();
  const tally = await run(shard, { onFailure: () => {}, enough: () => false });
  console.log(summary(tally, shard, (performance.now() - startedAt) / 1_000, 1));
  expect(
    tally.failures.map(({ seed, nodes, says }) => `seed ${seed}, ${nodes} nodes: ${says}`),
  ).toEqual([]);
  return tally.schedules;
}

test("clusters keep every promise and come to rest", async () => {
  const all: Shard = {
    from: 1,
    to: 1 + MOST,
    step: 1,
    minutes: BUDGET_MINUTES,
    nodes: null,
    keepGoing: false,
  };
  const done = await schedules(all);
  if (done >= FLOOR) return;
  const rest = { ...all, from: 1 + done, to: 1 + FLOOR, minutes: Infinity };
  expect(done + (await schedules(rest))).toBe(FLOOR);
});

test("the same seed is the same run, event by event", async () => {
  const runs = [];
  for (let time = 0; time < 2; time++) {
    const lines: string[] = [];
    const { cluster } = await simulate(scheduleOf(7, 3), (node, line) =>
      lines.push(`${node} ${line}`),
    );
    runs.push({ lines, events: cluster.world.events, oks: cluster.clients.oks });
  }
  expect(runs[1]).toEqual(runs[0]);
});
