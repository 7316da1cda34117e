// What must hold of the runner whatever it is configured with and whatever happens in whatever order: no job has two
// processes (the world throws), everything ends after the stop, and what was started has ended by then.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Input } from "../../src/core/runner/event.ts";
import type { Job, When } from "../../src/core/runner-config.ts";
import { HEALTH, makeJob, SERVICE, World } from "./runner-world.ts";

const NAMES = ["a", "b", "c", "d", "e"] as const;
const EVENTS = [
  "exitSuccess",
  "exitFailed",
  "healthy",
  "unhealthy",
  "stopping",
  "stopped",
] as const;

const pair = fc.record({
  source: fc.constantFrom(...NAMES),
  event: fc.constantFrom(...EVENTS, "timerExpired" as const),
});

const trigger: fc.Arbitrary<When["trigger"]> = fc.oneof(
  fc.constant({
    kind: "event" as const,
    sources: ["global"],
    event: "startup" as const,
    each: false,
  }),
  fc.record({
    kind: fc.constant("event" as const),
    sources: fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 2 }),
    event: fc.constantFrom(...EVENTS),
    each: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("event" as const),
    sources: fc.constant(["watch.w"]),
    event: fc.constantFrom("changed" as const, "healthy" as const),
    each: fc.boolean(),
  }),
  fc.constant({
    kind: "event" as const,
    sources: ["global"],
    event: "shutdown" as const,
    each: false,
  }),
  fc.record({
    kind: fc.constant("interval" as const),
    everyMs: fc.integer({ min: 1, max: 3_000 }),
    firstAtOnce: fc.boolean(),
  }),
  fc.constant({ kind: "signal" as const, signals: ["SIGHUP" as const] }),
);

function isHook(one: When["trigger"]): boolean {
  return one.kind === "event" && ["stopping", "stopped", "shutdown"].includes(one.event);
}

const jobNamed = (name: string): fc.Arbitrary<Job> =>
  fc
    .record({
      trigger,
      after: fc.array(pair, { maxLength: 2 }),
      timeoutMs: fc.option(fc.integer({ min: 0, max: 3_000 })),
      overlap: fc.constantFrom("queue" as const, "coalesce" as const, "skip" as const),
      ifRunning: fc.boolean(),
      hasExec: fc.integer({ max: 5 }).map((n) => n !== 0),
      restarts: fc.constantFrom(0, 1, 3, "unlimited" as const),
      runMs: fc.option(fc.integer({ min: 1, max: 2_000 })),
      stopTimeoutMs: fc.option(fc.integer({ min: 0, max: 2_000 })),
      stopAfter: fc.uniqueArray(fc.constantFrom(...NAMES), { maxLength: 1 }),
      drainMs: fc.constantFrom(0, 500),
      isService: fc.boolean(),
      outcome: fc.constantFrom("continue" as const, "continue" as const, "shutdown" as const),
      version: fc.integer({ max: 3 }),
    })
    .map((it) =>
      makeJob({
        name,
        exec: it.hasExec ? [name, String(it.version)] : null,
        restarts: it.restarts,
        // A hook without a limit may take as long as it likes: that is its right, and no law of ours.
        timeoutMs: isHook(it.trigger) ? (it.runMs ?? 1_000) : it.runMs,
        stopTimeoutMs: it.stopTimeoutMs,
        stopAfter: it.stopAfter.filter((other) => other !== name),
        drainMs: it.drainMs,
        health: it.isService ? HEALTH : null,
        service: it.isService ? SERVICE : null,
        exit: { successCodes: [0], onSuccess: it.outcome, onFailure: it.outcome, counts: true },
        when: {
          trigger: it.trigger,
          after: it.after,
          timeoutMs: it.timeoutMs,
          overlap: it.overlap,
          ifRunning: it.ifRunning,
        },
      }),
    );

const jobs = fc
  .subarray([...NAMES], { minLength: 1 })
  .chain((names) => fc.tuple(...names.map(jobNamed)));

const plan = fc.record({
  endsAfterMs: fc.option(fc.integer({ min: 0, max: 3_000 })),
  code: fc.constantFrom(0, 0, 1, 3),
  stopsAfterMs: fc.option(fc.integer({ min: 0, max: 7_000 })),
});

type Move = { readonly ms: number } | { readonly input: Input } | { readonly jobs: readonly Job[] };

const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ ms: fc.integer({ min: 0, max: 5_000 }) }) },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom<Input>(
        { kind: "watch", id: "w", first: false, any: true },
        { kind: "watch", id: "w", first: false, any: false },
        { kind: "signal", signal: "SIGHUP" },
        { kind: "maintenance", on: true },
        { kind: "maintenance", on: false },
        // What comes too late, or never should have come.
        { kind: "exited", job: "nobody", end: { code: 0, signal: null, afterMs: 1 } },
        { kind: "timer", job: "a", timer: "kill" },
        { kind: "timer", job: "b", timer: "restart" },
        { kind: "timer", job: "c", timer: "drain" },
        { kind: "withdrawn", job: "a" },
        { kind: "checked", job: "b", ok: true },
      )
      .map((input) => ({ input })),
  },
  { weight: 1, arbitrary: jobs.map((next) => ({ jobs: next })) },
);

describe("whatever happens", () => {
  test("after the stop everything ends, and nothing is left", () => {
    const plans = fc.record(Object.fromEntries(NAMES.map((name) => [name, plan])));
    fc.assert(
      fc.property(jobs, plans, fc.array(move, { maxLength: 25 }), (first, how, moves) => {
        const world = new World(first);
        Object.assign(world.plans, how);
        world.start();
        for (const one of moves) {
          if ("ms" in one) world.pass(one.ms);
          else if ("input" in one) world.send(one.input);
          else world.reload(one.jobs);
          if (world.exitCode !== null) break;
        }
        world.send({ kind: "stop" }).pass(10 * 60_000);
        expect(world.exitCode, world.lines.slice(-30).join("\n")).not.toBe(null);
        expect(world.running()).toEqual([]);
        const before = world.lines.length;
        world.send({ kind: "signal", signal: "SIGHUP" }).send({ kind: "start" });
        expect(world.lines).toHaveLength(before);
      }),
      { numRuns: 600 },
    );
  });

  test("a reload to what is there already starts and stops nothing", () => {
    fc.assert(
      fc.property(jobs, fc.integer({ min: 0, max: 4_000 }), (all, ms) => {
        const quiet = all.filter(
          ({ when }) =>
            when.trigger.kind !== "event" || when.trigger.event !== "startup" || !when.trigger.each,
        );
        const world = new World(quiet).start().pass(ms);
        if (world.exitCode !== null) return;
        world.heard();
        world.reload(structuredClone(quiet));
        expect(world.heard(/spawn|signal|withdraw/)).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});
