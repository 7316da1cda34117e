// `autopilot drill` as typed: what it lists, and what it refuses before anything is started.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SCENARIOS } from "../../recipes/mysql/drills/scenarios.ts";
import { cli } from "./cli.ts";

let dir = "";
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "autopilot-cli-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

describe("drill", () => {
  test("lists each scenario with what it does, for people and for programs", async () => {
    const { code, stdout } = await cli(["drill", "list"]);
    expect(code).toBe(0);
    for (const { name, does } of SCENARIOS) expect(stdout).toMatch(new RegExp(`${name} .*${does}`));
    const json = await cli(["drill", "list", "--json"]);
    const names = (JSON.parse(json.stdout) as { name: string }[]).map(({ name }) => name);
    expect(names).toEqual(SCENARIOS.map(({ name }) => name));
    expect(new Set(names).size).toBe(names.length);
  });

  test("what is typed wrongly is one line and 64, and nothing is started", async () => {
    const wrong = [
      [["drill"], "missing required argument"],
      [["drill", "walk"], "there is `drill list` and `drill run`"],
      [["drill", "run"], "which scenario?"],
      [["drill", "run", "mysqld-kiled"], "no scenario mysqld-kiled"],
      [["drill", "run", "all", "--rounds", "0"], "--rounds: expected a number from 1"],
      [["drill", "run", "all", "--rounds", "1.5"], "--rounds: expected a whole number"],
      [["drill", "run", "all", "--seed", "x"], "--seed: expected a number"],
      [["drill", "run", "all", "--nodes", "2"], "--nodes: expected a number from 3"],
      [["drill", "run", "mix", "--minutes", ""], "--minutes: expected a number"],
      [["drill", "run", "all", "--target", "moon"], "expected local or compose"],
    ] as const;
    for (const [argv, why] of wrong) {
      const { code, stdout, stderr } = await cli(argv);
      expect([code, stdout], argv.join(" ")).toEqual([64, ""]);
      expect(stderr).toContain(why);
      expect(stderr).toMatch(/^autopilot: [^\n]+ \[AP_USAGE\]\n$/);
    }
  });

  test("a target that is not there yet is refused, and so is a report that is none", async () => {
    const compose = await cli(["drill", "run", "all", "--target", "compose"]);
    expect(compose.code).toBe(3);
    expect(compose.stderr).toMatch(/^autopilot: [^\n]+ \[AP_DRILL_TARGET\]\n$/);
    const file = join(dir, "report.json");
    writeFileSync(file, "{}");
    const other = await cli(["drill", "run", "all", "--resume", file]);
    expect(other.code).toBe(78);
    expect(other.stderr).toContain("is not a drill report");
  });
});
