// One project per test folder. Suites that start real servers run their files one after the other, but for those that
// mostly wait for time-outs: two of them side by side keep two cores busy, and assert no times.
import { defineConfig } from "vitest/config";

const pure = ["core", "config", "drills"];
const real = [
  "toolchain",
  "contract",
  "objects",
  "backup",
  "mysqld",
  "runtime",
  "runner",
  "cli",
  "render",
  "cluster",
  "compose",
];
/** They mostly wait: for sessions that expire, servers that start, checks once a second. */
const waiting = ["contract", "backup", "runner", "cluster"];
/** Two files at a time, whatever the machine: each cluster is three servers. */
const LANES = 2;

/** Real servers start, clone and shut down in seconds; a minute says that something hangs. */
const REAL_TIMEOUT_MS = 60_000;
/** Hundreds of virtual seconds of whole clusters: 10 s on an idle core, much more on a shared one. */
const SIMULATION_TIMEOUT_MS = 180_000;

export default defineConfig({
  test: {
    // Never retried: a test that fails sometimes has found something.
    retry: 0,
    projects: [
      ...pure.map((name) => ({
        test: {
          name,
          include: [`test/${name}/**/*.test.ts`],
          testTimeout: 30_000,
          // Pure functions leave nothing behind: one load of the modules serves all files.
          isolate: name !== "core",
        },
      })),
      {
        test: {
          name: "simulation",
          include: ["test/simulation/**/*.test.ts"],
          testTimeout: SIMULATION_TIMEOUT_MS,
        },
      },
      { test: { name: "house", include: ["test/*.test.ts"] } },
      ...real.map((name) => ({
        test: {
          name,
          include: [`test/${name}/**/*.test.ts`],
          fileParallelism: waiting.includes(name),
          maxWorkers: LANES,
          testTimeout: REAL_TIMEOUT_MS,
          hookTimeout: REAL_TIMEOUT_MS,
          sequence: { groupOrder: 1 + real.indexOf(name) },
        },
      })),
    ],
  },
});
