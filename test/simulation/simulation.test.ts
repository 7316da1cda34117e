// Whole clusters from a fixed list of seeds: none loses, undoes or hides a write, none has two primaries, and each comes
// to rest after everything healed. The number of seeds is fixed, so that a run is the same everywhere.
import { expect, test } from "vitest";
import { scheduleOf } from "./schedule.ts";
import { simulate } from "./simulate.ts";

const BLOCKS = 8;
/** Per block: three nodes but for every fifth, which has five. */
const SEEDS = 12;

for (let block = 0; block < BLOCKS; block++) {
  const first = 1 + block * SEEDS;
  test(`clusters from seeds ${first} to ${first + SEEDS - 1} keep every promise and come to rest`, async () => {
    for (let seed = first; seed < first + SEEDS; seed++) {
      const { violation } = await simulate(scheduleOf(seed, seed % 5 === 0 ? 5 : 3));
      expect(violation?.message ?? null, `seed ${seed}`).toBeNull();
    }
  });
}

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
