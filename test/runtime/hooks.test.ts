import { mkdtempSync, readFileSync, rmSync, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isRunning } from "../../src/local/process.ts";
import { realClock as clock } from "../../src/runtime/clock.ts";
import { makeHooks, type HookSpec } from "../../src/runtime/hooks.ts";
import { ManualClock, until } from "./manual-clock.ts";
import { recordingLog } from "./recording-log.ts";

let dir = "";
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "autopilot-hooks-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

const sh = (script: string, timeoutMs = 60_000): HookSpec => ({
  exec: ["sh", "-c", script],
  timeoutMs,
});

function make(hooks: Readonly<Record<string, HookSpec>>, time = clock) {
  const { log, lines } = recordingLog();
  const told: string[] = [];
  const made = makeHooks({ hooks, log, clock: time, publish: (_, what) => told.push(what) });
  return { hooks: made, lines, told, [Symbol.asyncDispose]: () => made[Symbol.asyncDispose]() };
}

describe("hooks", () => {
  test("a hook gets what happened in its environment, and what it prints is in the log", async () => {
    await using it = make({ promoted: sh('echo "$NODE took over"; echo oops >&2') });
    await it.hooks.run("promoted", { NODE: "mysql-2" });
    await until("its output is logged", () => it.lines.length >= 3);
    const logged = it.lines.map(({ msg, hook }) => `${String(hook)}: ${String(msg)}`);
    expect(logged).toContain("promoted: mysql-2 took over");
    expect(logged).toContain("promoted: oops");
  });

  test("there need not be a hook", async () => {
    await using it = make({});
    await it.hooks.run("promoted", {});
    expect(it.lines).toEqual([]);
  });

  test("a failing hook is told, and nothing is thrown", async () => {
    await using it = make({
      bad: sh("exit 3"),
      missing: { exec: ["/nowhere/hook"], timeoutMs: 1 },
    });
    await it.hooks.run("bad", {});
    await it.hooks.run("missing", {});
    expect(it.told[0]).toBe("hook bad: exit code 3");
    expect(it.told[1]).toContain("/nowhere/hook: no such program");
  });

  test("a hook that is too slow is ended, with all that it started", async () => {
    const file = join(dir, "grandchild");
    const time = new ManualClock();
    await using it = make({ slow: sh(`sleep 600 & echo $! > ${file}; wait`, 1_000) }, time);
    const ran = it.hooks.run("slow", {});
    await until("it runs", () => existsSync(file) && readFileSync(file, "utf8").endsWith("\n"));
    await until("its deadline is set", () => time.nextIn === 1_000);
    time.advance(1_000);
    await ran;
    expect(it.told).toEqual(["hook slow: ended after its limit of 1000 ms"]);
    await until("its child is gone", () => !isRunning(Number(readFileSync(file, "utf8"))));
  });

  test("a hook that ignores TERM is killed", async () => {
    const file = join(dir, "stubborn");
    const time = new ManualClock();
    const script = `trap '' TERM; echo $$ > ${file}; while :; do sleep 0.05; done`;
    await using it = make({ stubborn: sh(script, 1_000) }, time);
    const ran = it.hooks.run("stubborn", {});
    await until("it runs", () => existsSync(file) && readFileSync(file, "utf8").endsWith("\n"));
    await until("its deadline is set", () => time.nextIn === 1_000);
    time.advance(1_000);
    await until("its grace began", () => time.sleeping === 1);
    time.advance(5_000);
    await ran;
    expect(isRunning(Number(readFileSync(file, "utf8")))).toBe(false);
  });

  test("four run at once, the fifth waits, and what cannot even wait is told", async () => {
    const started = (): number => it.lines.filter(({ msg }) => msg === "began").length;
    await using it = make({ long: sh("echo began; sleep 600") });
    const runs = Array.from({ length: 4 + 64 + 1 }, () => it.hooks.run("long", {}));
    await until("four run", () => started() === 4);
    await runs.at(-1);
    expect(it.told).toEqual(["hook long: not run, 64 are waiting"]);
    await it.hooks[Symbol.asyncDispose]();
    await Promise.all(runs);
    expect(started()).toBe(4);
  });
});
