// Health, watches and reloads of the runner: each promise as one story.
import { describe, expect, test } from "vitest";
import { HEALTH, makeJob, once, SERVICE, World } from "./runner-world.ts";

const app = makeJob({ name: "app" });

describe("health", () => {
  const served = makeJob({ name: "app", service: SERVICE, health: HEALTH });

  test("defect 7: healthy and unhealthy are changes; a failed check is critical at once", () => {
    const world = new World([served]).start().pass(3_100);
    world.sick.add("app");
    world.pass(2_000);
    expect(world.heard(/app (un)?healthy|advertise/)).toEqual([
      "event app healthy",
      "advertise app passing",
      "advertise app passing",
      "advertise app passing",
      "event app unhealthy",
      "advertise app critical",
      "advertise app critical",
    ]);
  });

  test("thresholds: as many in a row, and what is believed is kept alive meanwhile", () => {
    const job = makeJob({ ...served, health: { ...HEALTH, failures: 3, passes: 2 } });
    const world = new World([job]).start().pass(2_100);
    expect(world.heard(/healthy|advertise/)).toEqual([
      "event app healthy",
      "advertise app passing",
    ]);
    world.sick.add("app");
    world.pass(2_000);
    expect(world.heard(/healthy|advertise/)).toEqual([
      "advertise app passing",
      "advertise app passing",
    ]);
    world.pass(1_000);
    expect(world.heard(/healthy|advertise/)).toEqual([
      "event app unhealthy",
      "advertise app critical",
    ]);
  });

  test("an initial status is registered before the first check; without one only after it", () => {
    const job = makeJob({ ...served, service: { ...SERVICE, initialStatus: "warning" } });
    expect(new World([job]).start().heard(/advertise/)).toEqual(["advertise app warning"]);
    expect(
      new World([served])
        .start()
        .pass(999)
        .heard(/advertise/),
    ).toEqual([]);
  });

  test("defect 3: maintenance withdraws and its end registers again; both only once", () => {
    const world = new World([served]).start().pass(1_100);
    world.heard();
    world.send({ kind: "maintenance", on: true }).send({ kind: "maintenance", on: true });
    world.pass(5_000);
    expect(world.heard()).toEqual(["event global enterMaintenance", "withdraw app"]);
    world.send({ kind: "maintenance", on: false }).send({ kind: "maintenance", on: false });
    world.pass(10);
    expect(world.heard(/global|advertise|app healthy/)).toEqual([
      "event global exitMaintenance",
      "event app healthy",
      "advertise app passing",
    ]);
  });

  test("the heartbeat of a dead process is none", () => {
    const health = { ...HEALTH, check: { kind: "heartbeat" as const } };
    const job = makeJob({ name: "app", service: SERVICE, health, restarts: 9 });
    const world = new World([job]);
    world.plans["app"] = (run) => (run === 1 ? { endsAfterMs: 1_500, code: 1 } : {});
    const slow = { firstMs: 60_000, mostMs: 60_000 };
    world.reload([makeJob({ ...job, backoff: slow })]);
    world.start().pass(1_400).heard();
    world.pass(5_000);
    expect(world.heard(/advertise/).slice(0, 2)).toEqual([
      "advertise app critical",
      "advertise app critical",
    ]);
  });
});

describe("watches", () => {
  test("defect 8: nothing at the first look is unhealthy, and no change", () => {
    const world = new World([app]).start();
    world.heard();
    world.send({ kind: "watch", id: "db", first: true, any: false });
    expect(world.heard()).toEqual(["event watch.db unhealthy"]);
    world.send({ kind: "watch", id: "db", first: false, any: true });
    expect(world.heard()).toEqual(["event watch.db changed", "event watch.db healthy"]);
  });
});

describe("reload", () => {
  test("defect 5: only what changed is stopped and started, in good order", () => {
    const world = new World([app, makeJob({ name: "other" })]).start().pass(10);
    world.plans["other"] = { stopsAfterMs: 300 };
    world.heard();
    world.reload([app, makeJob({ name: "other", exec: ["other", "--new"] })]).pass(1_000);
    expect(world.heard()).toEqual([
      "event global startup",
      "event other stopping",
      "signal other SIGTERM",
      "event other exitFailed",
      "event other stopped",
      "spawn other by global",
    ]);
  });

  test("what depends on something that has happened already starts at once", () => {
    const before = makeJob({ name: "preStart" });
    const main = makeJob({ name: "main", when: once("preStart", "exitSuccess") });
    const world = new World([before, main]);
    world.plans["preStart"] = { endsAfterMs: 5 };
    world.start().pass(100).heard();
    world.reload([before, { ...main, exec: ["main", "2"] }]).pass(100);
    expect(world.heard(/spawn|exit \d/)).toEqual(["spawn main by preStart"]);
  });

  test("restarts are counted anew; what was taken out is stopped; what came is started", () => {
    const limited = makeJob({ name: "app", restarts: 1 });
    const world = new World([limited, makeJob({ name: "gone" })]);
    world.plans["app"] = { endsAfterMs: 10, code: 1 };
    world.start().pass(5_000);
    expect(world.runs.get("app")).toBe(2);
    world.heard();
    world.reload([{ ...limited, exec: ["app", "2"] }, makeJob({ name: "new" })]).pass(5_000);
    expect(world.runs.get("app")).toBe(4);
    expect(world.running()).toEqual(["new"]);
    expect([...world.state.jobs.keys()]).toEqual(["app", "new"]);
  });

  test("stop hooks of a changed job run, and again at its next stop", () => {
    const hook = makeJob({ name: "post", when: once("app", "stopped") });
    const world = new World([app, hook, makeJob({ name: "idle" })]);
    world.plans["post"] = { endsAfterMs: 20 };
    world.start().pass(10);
    world.reload([{ ...app, exec: ["app", "2"] }, hook, makeJob({ name: "idle" })]).pass(500);
    expect([world.runs.get("app"), world.runs.get("post")]).toEqual([2, 1]);
    world.send({ kind: "stop" }).pass(5_000);
    expect([world.runs.get("post"), world.exitCode]).toEqual([2, 0]);
  });

  test("two reloads while a job stops: the last one's job runs", () => {
    const world = new World([app]).start().pass(10);
    world.plans["app"] = { stopsAfterMs: 300 };
    world.reload([{ ...app, exec: ["b"] }]).pass(10);
    world.reload([{ ...app, exec: ["c"] }]).pass(10);
    world.reload([app]).pass(1_000);
    expect(world.state.jobs.get("app")?.job.exec).toEqual(["app"]);
    expect(world.runs.get("app")).toBe(2);
  });
});
