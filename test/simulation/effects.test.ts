// Every kind of fault is seen to take effect: one that never bites tests nothing. Small schedules, each after one theme.
import { expect, test } from "vitest";
import { never, sum, type Effect, type Seen } from "./effects.ts";
import { simulate } from "./simulate.ts";
import type { Step } from "./steps.ts";

const THEMES: Readonly<Record<string, readonly Step[]>> = {
  processes: [
    { at: 14_000, do: "kill-mysqld", node: "primary" },
    { at: 22_000, do: "kill-in-commit", node: "primary", withinMs: 1 },
    { at: 30_000, do: "crash-at", node: "n1", action: "promise", when: "after" },
    { at: 30_000, do: "crash-at", node: "n2", action: "promise", when: "after" },
    { at: 31_000, do: "kill-node", node: "primary", ms: 2_000 },
    { at: 55_000, do: "stop-node", node: "primary", ms: 5_000 },
    { at: 70_000, do: "stop-cluster", ms: 15_000 },
    { at: 105_000, do: "kill-all", ms: 1_000 },
  ],
  pauses: [
    { at: 14_000, do: "pause-agent", node: "replica", ms: 3_000 },
    { at: 24_000, do: "pause-loop", node: "replica", ms: 3_000 },
    { at: 34_000, do: "pause-mysqld", node: "replica", ms: 3_000 },
    { at: 44_000, do: "pause-node", node: "primary", ms: 9_000 },
    { at: 64_000, do: "wall-jump", node: "primary", ms: 20_000 },
    { at: 74_000, do: "clock-drift", node: "primary", rate: 1.4, ms: 9_000 },
    { at: 84_000, do: "pause-cluster", ms: 3_000 },
  ],
  network: [
    { at: 14_000, do: "cut", node: "replica", from: "primary", ms: 5_000 },
    { at: 24_000, do: "cut", node: "replica", from: "primary", way: "from-it", ms: 5_000 },
    { at: 34_000, do: "cut", node: "replica", from: "primary", way: "to-it", ms: 5_000 },
    { at: 44_000, do: "isolate", node: "replica", ms: 5_000 },
    { at: 54_000, do: "network-slow", by: 50, ms: 5_000 },
    { at: 64_000, do: "switchover", to: null },
    { at: 80_000, do: "add-node" },
    { at: 90_000, do: "rebuild", node: "replica" },
    { at: 104_000, do: "remove-node", node: "replica" },
  ],
  Consul: [
    { at: 14_000, do: "consul", how: "down", ms: 5_000 },
    { at: 24_000, do: "consul", how: "restart", ms: 2_000 },
    { at: 36_000, do: "consul", how: "leaderless", ms: 6_000 },
    { at: 46_000, do: "consul", how: "slow", ms: 5_000 },
    { at: 54_000, do: "consul", how: "lossy", ms: 5_000 },
    { at: 62_000, do: "consul", how: "late", ms: 5_000 },
    { at: 70_000, do: "consul", how: "twice", ms: 5_000 },
    { at: 78_000, do: "consul", how: "failing", ms: 5_000 },
    { at: 86_000, do: "consul", how: "stale", ms: 8_000 },
    { at: 87_000, do: "kill-mysqld", node: "primary" },
    { at: 98_000, do: "deny", node: "primary", ms: 5_000 },
    { at: 108_000, do: "lose-sessions" },
  ],
  disks: [
    { at: 14_000, do: "disk-full", node: "primary", ms: 6_000 },
    { at: 28_000, do: "disk-full", node: "replica", ms: 5_000 },
    { at: 28_500, do: "kill-mysqld", node: "primary" },
    { at: 40_000, do: "disk-slow", node: "n1", ms: 30_000 },
    { at: 40_000, do: "disk-slow", node: "n2", ms: 30_000 },
    { at: 40_000, do: "disk-slow", node: "n3", ms: 30_000 },
    // Whether something is just being written is chance: often enough.
    ...Array.from({ length: 10 }, (_, n): Step => ({
      at: 41_500 + n * 2_800,
      do: "power-loss",
      node: "replica",
      ms: 300,
    })),
    { at: 80_000, do: "purge", node: "primary" },
    { at: 82_000, do: "break-provisioning", node: "replica" },
    { at: 82_500, do: "lose-disk", node: "replica" },
  ],
  replication: [
    { at: 14_000, do: "long-transaction", ms: 3_000 },
    { at: 22_000, do: "applier-slow", node: "replica", ms: 5_000 },
    { at: 32_000, do: "applier-error", node: "replica", ms: 5_000 },
    { at: 42_000, do: "receiver-slow-to-stop", node: "replica", ms: 5_000 },
    { at: 43_000, do: "kill-mysqld", node: "primary" },
    { at: 48_000, do: "old-volume", node: "replica", ms: 5_000 },
    { at: 60_000, do: "errant", node: "primary" },
    { at: 70_000, do: "errant", node: "replica" },
    { at: 90_000, do: "old-volume", node: "replica", ms: 12_000 },
    { at: 94_000, do: "kill-mysqld", node: "primary" },
  ],
  "a Consul that goes back in time": [
    { at: 14_000, do: "restore-consul", to: "snapshot", ms: 20_000 },
    { at: 20_000, do: "kill-mysqld", node: "primary" },
  ],
  "a Consul that loses everything": [
    { at: 14_000, do: "restore-consul", to: "nothing", ms: 5_000 },
  ],
};

let all: Seen = {};

test.each(Object.entries(THEMES))("%s: faults happen, and nothing is broken", async (_, steps) => {
  const { violation, cluster } = await simulate({ seed: 3, nodes: 3, durability: {}, steps });
  all = sum(all, cluster.world.seen);
  expect(violation?.message ?? null).toBeNull();
});

test("each kind was seen to take effect", () => {
  const none: readonly Effect[] = [];
  expect(never(all)).toEqual(none);
});
