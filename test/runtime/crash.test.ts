import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { InvariantError, UnavailableError } from "../../src/errors.ts";
import { makeBlackBox } from "../../src/runtime/blackbox.ts";
import { guardAgainstBugs } from "../../src/runtime/guard.ts";
import { ManualClock, until } from "./manual-clock.ts";
import { recordingLog } from "./recording-log.ts";

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "autopilot-crash-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const dumps = (): string[] => readdirSync(dir).filter((name) => name.startsWith("blackbox-"));

function box(clean = (text: string) => text) {
  return makeBlackBox({ dir, clean, failed: () => {} });
}

const record = (tick: number) => ({
  tick,
  at: "",
  observation: { tick },
  actions: [],
  outcome: "done",
});

describe("the black box", () => {
  test("writes the last 256 ticks, readable by its owner only, without secrets", () => {
    const it = box((text) => text.replaceAll("geheim", "***"));
    for (let tick = 1; tick <= 300; tick++) it.record(record(tick));
    const path = it.dump("geheim happened") ?? "";
    const told = JSON.parse(readFileSync(path, "utf8")) as {
      why: string;
      ticks: { tick: number }[];
    };
    expect(told.why).toBe("*** happened");
    expect(told.ticks).toHaveLength(256);
    expect([told.ticks[0]?.tick, told.ticks.at(-1)?.tick]).toEqual([45, 300]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("keeps the newest five dumps", () => {
    for (let i = 0; i < 7; i++) writeFileSync(join(dir, `blackbox-2020-01-0${i}.json`), "{}");
    const path = box().dump("now") ?? "";
    expect(dumps()).toHaveLength(5);
    expect(dumps().map((name) => join(dir, name))).toContain(path);
    expect(dumps()).not.toContain("blackbox-2020-01-00.json");
  });

  test("a disk that cannot take it does not stop the crash", () => {
    const told: string[] = [];
    const it = makeBlackBox({ dir: "/dev/null/x", clean: String, failed: (why) => told.push(why) });
    expect(it.dump("why")).toBeNull();
    expect(told).toHaveLength(1);
  });
});

describe("a bug", () => {
  function guarded(fence: () => Promise<void>) {
    const clock = new ManualClock();
    const { log, lines } = recordingLog();
    const steps: string[] = [];
    const exit = (code: number): never => {
      steps.push(`exit ${code}, ${dumps().length} dump`);
      return undefined as never;
    };
    const guard = guardAgainstBugs({ log, blackBox: box(), clock, exit });
    guard.fenceWith({
      fence: async (why) => {
        steps.push(`fence: ${why}, ${dumps().length} dump`);
        await fence();
      },
    });
    return { guard, clock, steps, lines };
  }

  test("fences first, then writes the black box, then exits with 70", async () => {
    const { guard, steps, lines } = guarded(() => Promise.resolve());
    using _ = guard;
    await guard.run(() => Promise.reject(new InvariantError("AP_BUG_INVARIANT", "two primaries")));
    expect(steps).toEqual(["fence: two primaries, 0 dump", "exit 70, 1 dump"]);
    expect(lines[0]).toMatchObject({ level: "error", msg: "a bug of autopilot: two primaries" });
  });

  test("does not wait for ever for a fence that hangs", async () => {
    const { guard, clock, steps } = guarded(() => new Promise(() => {}));
    using _ = guard;
    const ran = guard.run(() => Promise.reject(new InvariantError("AP_BUG_INVARIANT", "bug")));
    await until("it fences", () => steps.length === 1 && clock.sleeping === 1);
    clock.advance(3_000);
    await ran;
    expect(steps[1]).toBe("exit 70, 1 dump");
  });

  test("an expected error passes", async () => {
    const { guard, steps } = guarded(() => Promise.resolve());
    using _ = guard;
    const away = new UnavailableError("AP_CONSUL_UNREACHABLE", "away");
    await expect(guard.run(() => Promise.reject(away))).rejects.toBe(away);
    expect(steps).toEqual([]);
  });
});
