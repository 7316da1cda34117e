import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isRunning, processFacts } from "../../src/local/process.ts";
import { SILENT } from "../../src/log.ts";
import { realClock as clock } from "../../src/runtime/clock.ts";
import { makeSupervise, type ChildExit } from "../../src/runtime/supervisor.ts";
import { hasLifeline } from "../../src/runtime/setpriv.ts";
import { until } from "./manual-clock.ts";

const supervise = makeSupervise({ clock, log: SILENT });
const discard = { output: "discard" } as const;
let dir = "";

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "autopilot-supervisor-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

/** A shell that says when it is set up, and then waits. */
async function shell(handle: ReturnType<typeof supervise>, trap: string): Promise<void> {
  const file = join(dir, `out-${Math.random()}`);
  writeFileSync(file, "");
  const argv = ["sh", "-c", `${trap}; echo up; while :; do sleep 0.05; done`];
  const started = await handle.start({ argv, output: { file } });
  expect(started.ok).toBe(true);
  await until("the shell is up", () => readFileSync(file, "utf8").includes("up"));
}

describe("the supervisor", () => {
  test("the pid is the program's own, in a session of its own", async () => {
    await using handle = supervise({ name: "sleep" });
    const started = await handle.start({ argv: ["sleep", "600"], ...discard });
    if (!started.ok) throw started.error;
    await until("it runs the program", () =>
      readFileSync(`/proc/${started.pid}/comm`, "utf8").startsWith("sleep"),
    );
    expect(processFacts(started.pid)?.parent).toBe(process.pid);
    const stat = readFileSync(`/proc/${started.pid}/stat`, "utf8").split(" ");
    expect(Number(stat[5])).toBe(started.pid); // session id
    expect(handle.facts()).toEqual({
      running: true,
      incarnation: 1,
      pid: started.pid,
      lastExit: null,
    });
  });

  test("an exit is told at once, with how and after how long, and the next start is the next incarnation", async () => {
    const exits: ChildExit[] = [];
    await using handle = supervise({ name: "sh", onExit: (exit) => exits.push(exit) });
    for (const code of [3, 0]) {
      await handle.start({ argv: ["sh", "-c", `exit ${code}`], ...discard });
      await handle.exited();
      await until("it is told", () => !handle.facts().running);
    }
    expect(exits.map(({ code, incarnation }) => [code, incarnation])).toEqual([
      [3, 1],
      [0, 2],
    ]);
    expect(handle.facts()).toMatchObject({ running: false, incarnation: 2, pid: null });
    expect(handle.facts().lastExit).toMatch(/^exit code 0 after \d+\.\d s$/);
  });

  test("what it prints is appended to its file", async () => {
    await using handle = supervise({ name: "sh" });
    const file = join(dir, "appended");
    writeFileSync(file, "before\n");
    await handle.start({ argv: ["sh", "-c", "echo out; echo err >&2"], output: { file } });
    const ended = handle.exited();
    await ended;
    expect(readFileSync(file, "utf8")).toBe("before\nout\nerr\n");
  });

  test("the agent's secrets are not in its environment", async () => {
    process.env["CONSUL_HTTP_TOKEN"] = "a-token-of-the-agent";
    await using handle = supervise({ name: "env" });
    const file = join(dir, "env");
    await handle.start({ argv: ["env"], output: { file }, env: { GIVEN: "yes" } });
    await handle.exited();
    delete process.env["CONSUL_HTTP_TOKEN"];
    const env = readFileSync(file, "utf8");
    expect(env).toContain("GIVEN=yes");
    expect(env).toContain("PATH=");
    expect(env).not.toContain("a-token-of-the-agent");
  });

  test("a program that is not there is an outcome with its name", async () => {
    await using handle = supervise({ name: "mysqld" });
    const started = await handle.start({ argv: ["/nowhere/mysqld"], ...discard });
    if (started.ok) throw new Error("it started");
    expect(started.error.code).toBe("AP_SPAWN_FAILED");
    expect(started.error.message).toBe("start mysqld: /nowhere/mysqld: no such program");
    expect(handle.facts()).toMatchObject({ running: false, incarnation: 0 });
  });

  test("a log file that cannot be opened is an outcome too", async () => {
    await using handle = supervise({ name: "sleep" });
    const output = { file: join(dir, "no", "such", "directory") };
    const started = await handle.start({ argv: ["sleep", "600"], output });
    expect(started).toMatchObject({ ok: false, error: { code: "AP_SPAWN_FAILED" } });
  });

  test("two children at once are our bug", async () => {
    await using handle = supervise({ name: "sleep" });
    await handle.start({ argv: ["sleep", "600"], ...discard });
    await expect(handle.start({ argv: ["sleep", "600"], ...discard })).rejects.toThrow(
      "running already",
    );
  });

  test("stop sends TERM first, and a child that obeys is never killed", async () => {
    await using handle = supervise({ name: "sh" });
    await shell(handle, "trap 'exit 7' TERM");
    const ended = handle.exited();
    await handle.stop({ termFirst: true, graceMs: 60_000 });
    expect(await ended).toMatchObject({ code: 7, signal: null });
  });

  test("stop kills a child that ignores TERM when its time is over", async () => {
    await using handle = supervise({ name: "sh" });
    await shell(handle, "trap '' TERM");
    const ended = handle.exited();
    await handle.stop({ termFirst: true, graceMs: 100 });
    expect(await ended).toMatchObject({ signal: "SIGKILL" });
  });

  test("kill works on a stopped process", async () => {
    await using handle = supervise({ name: "sleep" });
    const started = await handle.start({ argv: ["sleep", "600"], ...discard });
    if (!started.ok) throw started.error;
    process.kill(started.pid, "SIGSTOP");
    const ended = handle.exited();
    handle.kill();
    expect(await ended).toMatchObject({ signal: "SIGKILL" });
  });

  test("killed while it starts, it does not come up a moment later", async () => {
    await using handle = supervise({ name: "sleep" });
    const starting = handle.start({ argv: ["sleep", "600"], ...discard });
    handle.kill();
    expect(await starting).toMatchObject({ ok: false });
    await until("it is gone", () => !handle.facts().running);
  });

  test("disposing kills and waits", async () => {
    const handle = supervise({ name: "sleep" });
    const started = await handle.start({ argv: ["sleep", "600"], ...discard });
    if (!started.ok) throw started.error;
    await handle[Symbol.asyncDispose]();
    expect(isRunning(started.pid)).toBe(false);
    await handle.stop({ termFirst: true, graceMs: 1 });
  });

  test("an agent that is killed with -9 takes its child along", async (context) => {
    if (!(await hasLifeline())) context.skip("this machine has no setpriv of util-linux");
    const fixture = fileURLToPath(new URL("agent-fixture.ts", import.meta.url));
    const agent = spawn(process.execPath, [fixture], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      const [line] = (await once(createInterface({ input: agent.stdout }), "line")) as [string];
      const child = Number(line);
      expect(isRunning(child)).toBe(true);
      agent.kill("SIGKILL");
      await until("its child is gone", () => !isRunning(child));
    } finally {
      agent.kill("SIGKILL");
    }
  });
});
