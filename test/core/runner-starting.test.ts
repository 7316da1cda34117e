// How the runner starts and restarts jobs: each promise as one story on a world without processes.
import { describe, expect, test } from "vitest";
import { each, every, HEALTH, makeJob, once, SERVICE, World } from "./runner-world.ts";

const app = makeJob({ name: "app" });

describe("starting", () => {
  test("a job without a word on when starts with the runner; all done is the end, with 0", () => {
    const world = new World([app]);
    world.plans["app"] = { endsAfterMs: 50 };
    world.start().pass(1_000);
    expect(world.heard()).toEqual([
      "event global startup",
      "spawn app by global",
      "event app exitSuccess",
      "event app stopping",
      "event app stopped",
      "event global shutdown",
      "exit 0",
    ]);
    expect(world.now).toBe(50);
  });

  test("pre-start: the main job starts once it has succeeded", () => {
    const jobs = [
      makeJob({ name: "preStart" }),
      makeJob({ name: "app", when: once("preStart", "exitSuccess") }),
    ];
    const world = new World(jobs);
    world.plans["preStart"] = { endsAfterMs: 10 };
    world.start().pass(1_000);
    expect(world.heard(/spawn/)).toEqual(["spawn preStart by global", "spawn app by preStart"]);
    expect(world.running()).toEqual(["app"]);
  });

  test("a failed pre-start leaves nothing that could ever run: the end, with its code", () => {
    const jobs = [
      makeJob({ name: "preStart" }),
      makeJob({ name: "app", when: once("preStart", "exitSuccess") }),
    ];
    const world = new World(jobs);
    world.plans["preStart"] = { endsAfterMs: 10, code: 3 };
    world.start().pass(1_000);
    expect(world.heard(/spawn|exit \d/)).toEqual(["spawn preStart by global", "exit 3"]);
  });

  test("any of several sources starts it; `after` makes it wait for all", () => {
    const any = makeJob({
      name: "any",
      when: {
        trigger: { kind: "event", sources: ["a", "b"], event: "healthy", each: false },
        after: [{ source: "c", event: "exitSuccess" }],
      },
    });
    const healthy = { ...HEALTH, check: { kind: "heartbeat" } as const };
    const jobs = [
      makeJob({ name: "a", health: healthy }),
      makeJob({ name: "b", health: { ...healthy, intervalMs: 3_000 } }),
      makeJob({ name: "c" }),
      any,
    ];
    const world = new World(jobs);
    world.plans["c"] = { endsAfterMs: 2_000 };
    world.start().pass(1_500);
    expect(world.heard(/spawn any|a healthy/)).toEqual(["event a healthy"]);
    world.pass(600);
    expect(world.heard(/spawn any/)).toEqual(["spawn any by a"]);
    world.pass(5_000);
    expect(world.heard(/spawn any/)).toEqual([]);
  });

  test("when.timeout: it gives up, says so, and whoever waits for its stop runs", () => {
    const jobs = [
      app,
      makeJob({ name: "late", when: once("app", "exitSuccess", { timeoutMs: 500 }) }),
      makeJob({ name: "after", when: once("late", "stopped") }),
    ];
    const world = new World(jobs);
    world.start().pass(1_000);
    expect(world.heard(/late|after/)).toEqual([
      "event late timerExpired",
      "event late stopping",
      "event late stopped",
      "spawn after by late",
    ]);
  });

  test("signals start jobs, any number of times", () => {
    const hup = makeJob({
      name: "hup",
      when: { trigger: { kind: "signal", signals: ["SIGHUP"] } },
    });
    const world = new World([app, hup]);
    world.plans["hup"] = { endsAfterMs: 1 };
    world.start();
    for (const signal of ["SIGHUP", "SIGUSR2", "SIGHUP"] as const)
      world.send({ kind: "signal", signal }).pass(5);
    expect(world.heard(/spawn hup/)).toEqual(["spawn hup by SIGHUP", "spawn hup by SIGHUP"]);
  });

  test("intervals run at once and then every time; three restarts are four runs", () => {
    const world = new World([app, makeJob({ name: "task", when: every(200), restarts: 3 })]);
    world.plans["task"] = { endsAfterMs: 10 };
    world.start().pass(5_000);
    expect(world.runs.get("task")).toBe(4);
    expect(world.heard(/task stopped/)).toEqual(["event task stopped"]);
  });

  test("a run that takes too long is killed, and has failed", () => {
    const world = new World([
      app,
      makeJob({ name: "task", when: every(2_000), restarts: "unlimited", timeoutMs: 100 }),
    ]);
    world.start().pass(2_500);
    expect(world.heard(/task/)).toEqual([
      "spawn task",
      "signal task SIGKILL",
      "note task timeout after 100ms: 'task'",
      "event task exitFailed",
      "spawn task",
      "signal task SIGKILL",
      "note task timeout after 100ms: 'task'",
      "event task exitFailed",
    ]);
  });
});

describe("starts while it runs", () => {
  const changes = (overlap: "queue" | "coalesce" | "skip"): number => {
    const job = makeJob({ name: "onChange", when: each("watch.db", "changed", { overlap }) });
    const world = new World([app, job]);
    world.plans["onChange"] = { endsAfterMs: 100 };
    world.start();
    for (let i = 0; i < 5; i++)
      world.send({ kind: "watch", id: "db", first: false, any: true }).pass(1);
    world.pass(10_000);
    return world.runs.get("onChange") ?? 0;
  };

  test("queue runs all, coalesce once more, skip none", () => {
    expect([changes("queue"), changes("coalesce"), changes("skip")]).toEqual([5, 2, 1]);
  });

  test("10,000 changes leave a bounded queue, and the last is seen", () => {
    const job = makeJob({ name: "job", when: each("watch.db", "changed", { overlap: "queue" }) });
    const world = new World([app, job]);
    world.start();
    for (let i = 0; i < 10_000; i++)
      world.send({ kind: "watch", id: "db", first: false, any: true });
    expect(world.state.jobs.get("job")?.pending).toBe(1_000);
    world.send({ kind: "stop" }).pass(10_000);
    expect(world.exitCode).toBe(0);
    expect(world.runs.get("job")).toBe(1);
  });
});

describe("restarts", () => {
  const loop = (backoff: { firstMs: number; mostMs: number }, seconds: number): number[] => {
    const world = new World([makeJob({ name: "app", restarts: "unlimited", backoff })]);
    world.plans["app"] = { endsAfterMs: 1, code: 1 };
    world.start();
    const starts: number[] = [];
    for (let ms = 0; ms < seconds * 1_000; ms++) {
      if (world.heard(/^spawn/).length > 0) starts.push(ms);
      world.pass(1);
    }
    return starts;
  };

  test("pauses double from the first to the most", () => {
    expect(loop({ firstMs: 100, mostMs: 1_000 }, 6)).toEqual(
      [0, 101, 302, 703, 1_504, 2_505, 3_506, 4_507, 5_508].map((ms, i) => ms + (i === 0 ? 0 : 0)),
    );
  });

  test("a loop never runs faster than once a second after its tenth end, whatever is configured", () => {
    const starts = loop({ firstMs: 0, mostMs: 0 }, 10);
    const pauses = starts.slice(11).map((at, i) => at - (starts[10 + i] ?? 0));
    expect(pauses.length).toBeGreaterThan(5);
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(1_000);
  });

  test("their number is a limit; the code of the last is the runner's", () => {
    const world = new World([makeJob({ name: "app", restarts: 2 })]);
    world.plans["app"] = (run) => ({ endsAfterMs: 10, code: run });
    world.start().pass(60_000);
    expect(world.runs.get("app")).toBe(3);
    expect(world.exitCode).toBe(3);
  });

  test("a process that died is unhealthy at once, until a check passes", () => {
    const job = makeJob({ name: "app", restarts: 5, health: HEALTH, service: SERVICE });
    const world = new World([job]);
    world.plans["app"] = (run) => (run === 1 ? { endsAfterMs: 1_500, code: 1 } : {});
    world.start().pass(1_510);
    expect(world.heard(/advertise|healthy/)).toEqual([
      "event app healthy",
      "advertise app passing",
      "event app unhealthy",
      "advertise app critical",
    ]);
    world.pass(1_000);
    expect(world.heard(/advertise|healthy/)).toEqual([
      "event app healthy",
      "advertise app passing",
    ]);
  });
});
