// Schedules that once broke something, shrunk by `npm run sim`: each is a story of its own and must hold for ever.
import { expect, test } from "vitest";
import type { Schedule } from "./schedule.ts";
import { simulate } from "./simulate.ts";

async function holds(schedule: Schedule): Promise<void> {
  const { violation } = await simulate(schedule);
  expect(violation?.message ?? null).toBeNull();
}

test("a cluster whose primary may not go on alone is founded and comes to rest", () =>
  holds({ seed: 34, nodes: 3, durability: { minAcks: 1 }, steps: [] }));

test("a disk that went back in time is noticed, although its node speaks before it has read", () =>
  holds({
    seed: 40132,
    nodes: 3,
    durability: {},
    steps: [
      { at: 13_818, do: "disk-full", node: "n2", ms: 6_459 },
      { at: 14_548, do: "applier-slow", node: "primary", ms: 14_613 },
      { at: 15_453, do: "old-volume", node: "primary", ms: 10_604 },
      { at: 23_529, do: "cut", node: "n1", from: "primary", ms: 10_512 },
      { at: 24_662, do: "kill-node", node: "n3", ms: 14_304 },
    ],
  }));

test("a voter that is being removed is not let in again before the change is in Consul", () =>
  holds({
    seed: 41017,
    nodes: 3,
    durability: {},
    steps: [
      { at: 37_491, do: "consul", how: "late", ms: 13_504 },
      { at: 38_211, do: "stop-node", node: "n3", ms: 8_576 },
      { at: 40_972, do: "switchover", to: null },
    ],
  }));

test("an old primary that slept through what a restored Consul has forgotten does not elect itself", () =>
  holds({
    seed: 1040,
    nodes: 5,
    durability: { acks: 2, voters: 5 },
    steps: [
      { at: 21_469, do: "restore-consul", to: "snapshot", ms: 20_246 },
      { at: 30_641, do: "kill-node", node: "primary", ms: 13_220 },
    ],
  }));

test("a server_id that is given back, twice because a request was repeated, stays its next owner's", () =>
  holds({
    seed: 5,
    nodes: 3,
    durability: {},
    steps: [
      { at: 20_000, do: "errant", node: "n3" },
      { at: 20_100, do: "consul", how: "twice", ms: 60_000 },
      { at: 50_000, do: "errant", node: "n2" },
    ],
  }));

test("a voter that cannot follow leaves V although the one that acknowledges is amnesiac, and that one after it", () =>
  holds({
    seed: 30050,
    nodes: 3,
    durability: {},
    steps: [
      { at: 30_073, do: "isolate", node: "primary", ms: 5_381 },
      { at: 31_397, do: "old-volume", node: "n2", ms: 11_222 },
      { at: 34_556, do: "cut", node: "replica", from: "primary", ms: 6_237 },
    ],
  }));

test("whoever founded the cluster has an account on a closed holder, from which it copies what it lacks", () =>
  holds({
    seed: 626,
    nodes: 3,
    durability: {},
    tags: { n1: { noFailover: true }, n2: { priority: 50 } },
    steps: [
      { at: 12_384, do: "kill-node", node: "primary", ms: 4_687 },
      { at: 16_841, do: "pause-loop", node: "primary", ms: 14_656 },
      { at: 30_408, do: "lose-disk", node: "primary" },
    ],
  }));

test("a node that cannot follow and a voter that forgot do not wait for each other where nobody may go on alone", () =>
  holds({
    seed: 1,
    nodes: 3,
    durability: { minAcks: 1 },
    steps: [
      { at: 30_000, do: "isolate", node: "primary", ms: 5_400 },
      { at: 31_400, do: "old-volume", node: "n3", ms: 8_000 },
    ],
  }));
