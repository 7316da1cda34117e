// One round of each drill scenario on real agents and servers, through the real command line, in the order in which it
// plays them; and the mix, broken off by Ctrl-C. Faults are held shortly here, and limits are long: what a drill finds
// lost, doubled or undone fails it whatever the machine's speed.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DrillReport, Round } from "../../recipes/mysql/drills/result.ts";
import { scenariosNamed } from "../../recipes/mysql/drills/scenarios.ts";
import { processesOf } from "./processes.ts";
import { until } from "./until.ts";
import { CLI, cleanEnv } from "./up.ts";

/** Nobody waits so long: a round takes some ten seconds. */
const ROUND_LIMIT_MS = 300_000;
const HURRY = ["--hold", "0.1", "--patience", "10", "--seed", "7"];

type Line = { readonly event: string; readonly what?: string } & Partial<Round>;

class Drill {
  readonly lines: Line[] = [];
  said = "";
  readonly child: ChildProcess;
  code: number | null = null;

  constructor(...argv: readonly string[]) {
    const all = [CLI, "drill", "run", ...argv, "--json"];
    this.child = spawn(process.execPath, all, {
      detached: true,
      env: cleanEnv(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child.stderr?.on("data", (data) => (this.said += String(data)));
    this.child.once("exit", (code) => (this.code = code ?? -1));
    const { stdout } = this.child;
    if (stdout)
      createInterface({ input: stdout }).on("line", (line) => {
        this.lines.push(JSON.parse(line) as Line);
      });
  }

  /** The round of this scenario, once it was played. */
  round(scenario: string): Promise<Line> {
    return until(
      `the round of ${scenario}`,
      () => {
        const played = this.lines.find(
          (line) => line.event === "round" && line.scenario === scenario,
        );
        if (played === undefined && this.code !== null) throw new Error(this.said);
        return played;
      },
      ROUND_LIMIT_MS,
    );
  }

  /** As a terminal's Ctrl-C: to the whole group. */
  interrupt(): void {
    if (this.child.pid !== undefined) process.kill(-this.child.pid, "SIGINT");
  }

  async end(): Promise<void> {
    if (this.code !== null) return;
    this.child.kill("SIGKILL");
    await once(this.child, "exit");
  }
}

describe("one round of each", () => {
  const dir = mkdtempSync(join(tmpdir(), "autopilot-drills-"));
  const html = join(dir, "report.html");
  let drill: Drill;
  beforeAll(() => {
    drill = new Drill("all", ...HURRY, "--report", html);
  });
  afterAll(async () => {
    await drill.end();
    rmSync(dir, { recursive: true });
  });

  for (const { name, expects } of scenariosNamed(["all"]))
    test(`${name}: ${expects}`, { timeout: ROUND_LIMIT_MS }, async () => {
      const round = await drill.round(name);
      const told = drill.lines.filter(({ scenario }) => scenario === name).map(({ what }) => what);
      if (round.verdict === "skipped") {
        console.error(`SKIPPED ${name}: ${round.reasons?.join()}`);
        return;
      }
      expect(round.reasons, told.join("\n")).toEqual([]);
      expect(round).toMatchObject({
        verdict: "passed",
        ledger: { lost: 0, doubled: 0, invented: 0, vanished: 0, twoAcknowledging: 0 },
      });
      expect(round.ledger?.acknowledged).toBeGreaterThan(0);
      expect(round.faults?.every(({ proof }) => proof !== null)).toBe(true);
    });

  test("the report has all rounds, and nothing is left running", async () => {
    await until("the drill ends", () => drill.code !== null);
    expect(drill.code).toBe(0);
    const report = JSON.parse(readFileSync(html.replace(".html", ".json"), "utf8")) as DrillReport;
    const names = scenariosNamed(["all"]).map(({ name }) => name);
    expect(report.rounds.map(({ scenario }) => scenario)).toEqual(names);
    expect(readFileSync(html, "utf8")).toContain("<svg");
    expect(processesOf("/autopilot-drill-")).toEqual([]);
  });
});

test(
  "a drill that is broken off by Ctrl-C heals, judges, writes its report and ends with 1",
  { timeout: ROUND_LIMIT_MS },
  async () => {
    const dir = mkdtempSync(join(tmpdir(), "autopilot-drills-"));
    const html = join(dir, "report.html");
    const drill = new Drill("mix", "--minutes", "60", ...HURRY, "--report", html);
    try {
      await until(
        "a fault took effect",
        () => JSON.stringify(drill.lines).includes("took effect"),
        ROUND_LIMIT_MS,
      );
      drill.interrupt();
      await until("the drill ends", () => drill.code !== null, ROUND_LIMIT_MS);
      expect(drill.code).toBe(1);
      const round = await drill.round("mix");
      expect(round).toMatchObject({ verdict: "invalid", reasons: ["broken off"] });
      expect(round.ledger).toMatchObject({ lost: 0, doubled: 0, twoAcknowledging: 0 });
      expect(round.faults?.every(({ healedAt }) => healedAt !== null)).toBe(true);
      expect(readFileSync(html, "utf8")).toContain("broken off");
    } finally {
      await drill.end();
      rmSync(dir, { recursive: true });
    }
  },
);
