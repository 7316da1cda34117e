// Schedules that once broke something, shrunk by `npm run sim`: each is a story of its own and must hold for ever.
import { expect, test } from "vitest";
import type { Schedule } from "./schedule.ts";
import { simulate } from "./simulate.ts";

async function holds(schedule: Schedule): Promise<void> {
  const { violation } = await simulate(schedule);
  expect(violation?.message ?? null).toBeNull();
}

const stop = { durability: { minAcks: 1 } } as const;

test("a cluster whose primary may not go on alone is founded and comes to rest", () =>
  holds({ seed: 34, nodes: 3, ...stop, steps: [] }));
