// Jobs as real processes: their environment, their ends, their stop, and what the runner's own end says of them.
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { until } from "../contract/until.ts";
import { isAlive, Runner } from "./runner.ts";

const sh = (script: string): string => JSON.stringify(["sh", "-c", script]);

describe("the environment of jobs", () => {
  test("has our pid, the pids of jobs that run, what was put there, and values with = in them", async () => {
    await using runner = new Runner(`jobs: [
      { name: "test-pid.sh", exec: "sleep 60", health: { exec: "true", interval: 1, ttl: 5 } },
      { name: "shows", exec: ${sh("env > DIR/env; sleep 60")}, env: { OWN: "{{ .GIVEN }}" },
        when: { source: "test-pid.sh", once: "healthy" } },
      { name: "again", exec: ${sh("env > DIR/again; sleep 60")}, when: { source: "SIGHUP" } },
    ]`);
    runner.start({ GIVEN: "abc=cde==" });
    const env = await runner.written("env");
    expect(env).toContain(`CONTAINERPILOT_PID=${runner.pid}\n`);
    expect(env).toMatch(/^CONTAINERPILOT_TEST_PID_PID=\d+$/m);
    expect(env).toContain("GIVEN=abc=cde==\n");
    expect(env).toContain("OWN=abc=cde==\n");
    expect(env).toMatch(/^AUTOPILOT_EVENT=healthy$/m);
    expect(env).toMatch(/^AUTOPILOT_SOURCE=test-pid.sh$/m);
    // What our own image was given is ours.
    expect(env).not.toMatch(/^(MALLOC_ARENA_MAX|NODE_COMPILE_CACHE|AUTOPILOT_RUNNER_IMAGE)=/m);

    const put = await runner.ask("-putenv", "LATER=1", "-putenv", "AND=x=y");
    expect(put).toEqual({ code: 0, stdout: "", stderr: "" });
    runner.kill("SIGHUP");
    const again = await runner.written("again");
    expect(again).toContain("LATER=1\n");
    expect(again).toContain("AND=x=y\n");
    expect((await runner.ask("-ping")).stdout).toBe("ok\n");
    expect(await runner.stop()).toEqual({ code: 0, signal: null });
  });

  test.skipIf(process.getuid?.() !== 0)(
    "another user's job runs as that user, with its groups and home, in its directory",
    async () => {
      await using runner = new Runner(`jobs: [
        { name: "named", exec: ${sh("id -un; id -gn; pwd; echo $HOME")}, user: "daemon", cwd: "/usr" },
        { name: "number", exec: ${sh("id -u; id -g; id -G")}, user: "4321", group: "1234" },
        { name: "nobody-there", exec: "true", user: "nobody-there" },
      ]`);
      runner.start();
      const { code } = await runner.ended;
      const said = (job: string): readonly string[] =>
        runner.lines(new RegExp(` ${job} \\d+ `)).map((line) => line.split(" ").slice(3).join(" "));
      expect(said("named")).toEqual(["daemon", "daemon", "/usr", "/usr/sbin"]);
      expect(said("number")).toEqual(["4321", "1234", "1234"]);
      expect(runner.output).toContain(`there is no user "nobody-there"`);
      // What could not be started has the code that a shell gives it.
      expect(code).toBe(127);
    },
  );
});

describe("the end", () => {
  test("has the code of the job that failed first; a missing program is 127", async () => {
    await using failing = new Runner(`jobs: [
      { name: "good", exec: "true" },
      { name: "bad", exec: ${sh("exit 3")} },
    ]`);
    await using missing = new Runner(`jobs: [{ name: "app", exec: "/no-such-dir/app" }]`);
    expect(await failing.start().ended).toEqual({ code: 3, signal: null });
    expect(await missing.start().ended).toEqual({ code: 127, signal: null });
    expect(missing.output).toContain("/no-such-dir/app: no such program");
  });

  test("comes after pre-stop, the real end of the process, and post-stop", async () => {
    await using runner = new Runner(`stopTimeout: 30, jobs: [
      { name: "app", exec: ${sh("trap 'sleep 0.2; echo app >> DIR/order; exit 0' TERM; echo up; while :; do sleep 0.05; done")} },
      { name: "preStop", exec: ${sh("echo preStop >> DIR/order")}, when: { source: "app", once: "stopping" } },
      { name: "postStop", exec: ${sh("echo postStop >> DIR/order")}, when: { source: "app", once: "stopped" } },
      { name: "bye", exec: ${sh("echo bye > DIR/bye")}, when: { once: "shutdown" } },
    ]`);
    runner.start();
    await runner.says(/app \d+ up/);
    expect(await runner.stop()).toEqual({ code: 0, signal: null });
    expect(runner.read("order")).toBe("preStop\napp\npostStop\n");
    expect(runner.read("bye")).toBe("bye\n");
    expect(existsSync(runner.socket)).toBe(false);
  });

  test("defect: with no jobs at all it stays, and SIGTERM ends it", async () => {
    await using runner = new Runner(`jobs: []`);
    runner.start();
    await runner.says("control: serving at");
    expect(await runner.stop()).toEqual({ code: 0, signal: null });
  });

  test("takes along what jobs left in their process group, and who ignores SIGTERM", async () => {
    await using runner = new Runner(`stopTimeout: 1, jobs: [
      { name: "leaver", exec: ${sh("sleep 300 & echo $! > DIR/child")} },
      { name: "deaf-child", exec: ${sh("(trap '' TERM; sleep 301 & echo $! > DIR/deaf; wait) & sleep 0.3")} },
      { name: "app", exec: ${sh("trap '' TERM; echo $$ > DIR/app; while :; do sleep 0.1; done")} },
    ]`);
    runner.start();
    const child = Number(await runner.written("child"));
    const deaf = Number(await runner.written("deaf"));
    await until("the child is gone with the job that left it", () => !isAlive(child));
    await runner.written("app");
    expect(await runner.stop()).toEqual({ code: 137, signal: null });
    expect(isAlive(Number(runner.read("app")))).toBe(false);
    await until("the deaf one is gone", () => !isAlive(deaf));
  });
});

describe("tasks", () => {
  test("restarts of an interval are further runs; each that is too long is killed", async () => {
    await using runner = new Runner(`jobs: [
      { name: "quick", exec: ${sh("echo 1 >> DIR/quick")}, when: { interval: "100ms" }, restarts: 5 },
      { name: "slow", exec: ${sh("echo 1 >> DIR/slow; sleep 60")}, when: { interval: "300ms" }, timeout: "100ms", restarts: 3,
        exit: { code: "ignored" } },
    ]`);
    expect(await runner.start().ended).toEqual({ code: 0, signal: null });
    expect(runner.read("quick")).toBe("1\n".repeat(6));
    expect(runner.read("slow").length).toBeLessThanOrEqual("1\n".repeat(4).length);
    expect(runner.lines(/slow timeout after 100ms: 'sh,-c/)).toHaveLength(4);
  });
});

describe("the log", () => {
  test("wraps output or leaves it, cuts endless lines, and is opened again on SIGUSR1", async () => {
    await using runner = new Runner(`logging: { format: "json", output: "DIR/log" }, jobs: [
      { name: "wrapped", exec: ${sh("echo 'a \"line\"'; head -c 40000 /dev/zero | tr '\\0' x; echo")}, logging: { fields: { tier: "web" } } },
      { name: "raw", exec: ${sh("echo as it is")}, logging: { raw: true } },
      { name: "ticks", exec: "echo tick", when: { interval: "50ms" } },
    ]`);
    runner.start();
    const line = await until("it is in the file", () =>
      runner
        .read("log")
        .split("\\n")
        .join("\n")
        .split("\n")
        .find((one) => one.includes('a \\"line')),
    );
    expect(JSON.parse(line)).toMatchObject({
      job: "wrapped",
      level: "info",
      msg: 'a "line"',
      tier: "web",
    });
    await runner.says(/^as it is$/);
    await until(
      "the long line is there in pieces",
      () => (runner.read("log").match(/x{16384}"/g) ?? []).length === 2,
    );
    const { renameSync } = await import("node:fs");
    renameSync(`${runner.dir}/log`, `${runner.dir}/log.1`);
    const moved = runner.read("log.1").length;
    await until("it goes on in the moved file", () => runner.read("log.1").length > moved);
    expect(existsSync(`${runner.dir}/log`)).toBe(false);
    runner.kill("SIGUSR1");
    await until("there is a new one", () => runner.read("log").includes("tick"));
    expect(await runner.stop()).toEqual({ code: 0, signal: null });
    for (const one of readFileSync(`${runner.dir}/log`, "utf8").trim().split("\n"))
      expect(Object.keys(JSON.parse(one) as object)).toEqual(
        expect.arrayContaining(["level", "msg", "time"]),
      );
  });
});
