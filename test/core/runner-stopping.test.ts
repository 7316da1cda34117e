// How the runner stops jobs and itself, and with which exit code: each promise as one story.
import { describe, expect, test } from "vitest";
import { HEALTH, makeJob, once, SERVICE, World } from "./runner-world.ts";

const app = makeJob({ name: "app" });

describe("exit codes", () => {
  test("onFailure: shutdown ends everything, with its code", () => {
    const exit = { ...app.exit, onFailure: "shutdown" as const };
    const world = new World([app, makeJob({ name: "main", exit })]);
    world.plans["main"] = { endsAfterMs: 100, code: 7 };
    world.start().pass(5_000);
    expect(world.exitCode).toBe(7);
    expect(world.running()).toEqual([]);
  });

  test("a job that ends by the signal that it was sent has not failed; one that had to be killed has", () => {
    const good = new World([app]).start().send({ kind: "stop" }).pass(10_000);
    expect([good.exitCode, good.now]).toEqual([0, 1]);
    const deaf = new World([app]);
    deaf.plans["app"] = { stopsAfterMs: null };
    deaf.start().send({ kind: "stop" }).pass(10_000);
    expect([deaf.exitCode, deaf.now]).toEqual([137, 5_000]);
    const atOnce = new World([app], { stopTimeoutMs: 0 });
    atOnce.start().send({ kind: "stop" }).pass(1);
    expect([atOnce.exitCode, atOnce.now]).toEqual([0, 0]);
  });

  test("codes that do not count, and the rule zero", () => {
    const beside = makeJob({ name: "beside", exit: { ...app.exit, counts: false } });
    const quick = { endsAfterMs: 5, code: 9 };
    const world = new World([beside]);
    world.plans["beside"] = quick;
    expect(world.start().pass(10).exitCode).toBe(0);
    const zero = new World([app], { exitCode: "zero" });
    zero.plans["app"] = quick;
    expect(zero.start().pass(10).exitCode).toBe(0);
  });
});

describe("the stop", () => {
  const served = { service: SERVICE, health: HEALTH };

  test("deregister → preStop → drain → stop signal → real end → postStop → exit", () => {
    const jobs = [
      makeJob({ name: "app", ...served, drainMs: 300 }),
      makeJob({ name: "preStop", when: once("app", "stopping") }),
      makeJob({ name: "postStop", when: once("app", "stopped") }),
    ];
    const world = new World(jobs);
    world.plans["app"] = { stopsAfterMs: 400 };
    world.plans["preStop"] = { endsAfterMs: 100 };
    world.plans["postStop"] = { endsAfterMs: 50 };
    world.start().pass(1_500).heard();
    world.send({ kind: "stop" }).pass(10_000);
    expect(world.heard(/withdraw|spawn|signal|exit|app stop/)).toEqual([
      "withdraw app",
      "event app stopping",
      "spawn preStop by app",
      "event preStop exitSuccess",
      "signal app SIGTERM",
      "event app exitFailed",
      "event app stopped",
      "spawn postStop by app",
      "event postStop exitSuccess",
      "exit 0",
    ]);
    expect(world.now).toBe(1_500 + 1 + 100 + 300 + 400 + 50);
  });

  test("defect 1: a hung pre-stop hook holds its job up no longer than stopTimeout, and is ended", () => {
    const jobs = [
      makeJob({ name: "app", stopTimeoutMs: 1_000 }),
      makeJob({ name: "preStop", when: once("app", "stopping") }),
    ];
    const world = new World(jobs);
    world.plans["preStop"] = { stopsAfterMs: null };
    world.start().send({ kind: "stop" }).pass(60_000);
    expect(world.heard(/signal|note|exit \d/)).toEqual([
      "note preStop stopped after 1000ms: app waits for it no longer",
      "signal app SIGTERM",
      "signal preStop SIGTERM",
      "signal preStop SIGKILL",
      "note preStop killed: it had not ended 5000ms after SIGTERM",
      "exit 137",
    ]);
  });

  test("defect 2: it ends when everything has ended, not when a time is over", () => {
    const world = new World([app]).start().pass(10);
    world.send({ kind: "stop" }).pass(10_000);
    expect(world.now).toBe(11);
  });

  test("jobs on the global shutdown run, and the end waits for them", () => {
    const hook = makeJob({ name: "bye", when: once("global", "shutdown") });
    const world = new World([app, hook]);
    world.plans["bye"] = { endsAfterMs: 500 };
    world.start().send({ kind: "stop" }).pass(10_000);
    expect(world.heard(/bye|exit \d/)).toEqual([
      "spawn bye by global",
      "event bye exitSuccess",
      "event bye stopping",
      "event bye stopped",
      "exit 0",
    ]);
  });

  test("stopAfter: a coprocess outlives the job that needs it", () => {
    const world = new World([app, makeJob({ name: "proxy", stopAfter: ["app"] })]);
    world.plans["app"] = { stopsAfterMs: 700 };
    world.start().send({ kind: "stop" }).pass(10_000);
    expect(world.heard(/signal|app stopped/)).toEqual([
      "signal app SIGTERM",
      "event app stopped",
      "signal proxy SIGTERM",
    ]);
  });

  test("ifRunning: a crash does not call the stop hook, a stop that was asked for does", () => {
    const jobs = [
      app,
      makeJob({ name: "preStop", when: once("app", "stopping", { ifRunning: true }) }),
    ];
    const crashed = new World(jobs);
    crashed.plans["app"] = { endsAfterMs: 10, code: 1 };
    expect(
      crashed
        .start()
        .pass(100)
        .heard(/spawn preStop|exit \d/),
    ).toEqual(["exit 1"]);
    const asked = new World(jobs);
    asked.plans["preStop"] = { endsAfterMs: 10 };
    asked.start().send({ kind: "stop" }).pass(1_000);
    expect(asked.heard(/spawn preStop|exit \d/)).toEqual(["spawn preStop by app", "exit 0"]);
  });

  test("jobs that wait for each other at the stop are ended all the same", () => {
    const jobs = [
      makeJob({ name: "a", stopAfter: ["hook"] }),
      makeJob({ name: "hook", when: once("a", "stopped") }),
      makeJob({ name: "x", when: once("y", "stopped") }),
      makeJob({ name: "y", when: once("x", "stopped") }),
    ];
    const world = new World(jobs);
    for (const hook of ["hook", "x", "y"]) world.plans[hook] = { endsAfterMs: 5 };
    world.start().send({ kind: "stop" }).pass(60_000);
    expect(world.exitCode).toBe(0);
  });

  test("no jobs at all: it stays, and SIGTERM ends it", () => {
    const world = new World([]).start().pass(10_000);
    expect(world.exitCode).toBe(null);
    expect(world.send({ kind: "stop" }).exitCode).toBe(0);
  });
});
