// Every rule that is removed is noticed, by the race, the schedule or the test that its entry names: all of them are played
// here, in processes of their own. And with all rules in place no race breaks anything.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ROOT } from "../mutation/suite.ts";
import { play } from "./mutant-play.ts";
import { RACES } from "./mutant-races.ts";
import { rulesText } from "./mutant-rules.ts";
import { MUTANTS } from "./mutant-table.ts";
import type { Verdict } from "./mutants.ts";

/** Rules of the explicit-state model: the simulation has to prove each in the code. */
function rulesOfTheModel(): readonly string[] {
  const model = readFileSync(join(ROOT, "test/model/protocol.py"), "utf8");
  const list = /^MUT = """([^"]+)"""/m.exec(model)?.[1] ?? "";
  return [...new Set(list.split("\n").map((line) => line.split(" ")[0] ?? ""))];
}

/** Less than a minute on two idle cores; many on a machine that others use. */
const ALL_WITHIN_MS = 1_800_000;

/** Errors: the runner ended without its line. */
function allVerdicts(signal: AbortSignal): Promise<readonly Verdict[]> {
  const argv = [join(import.meta.dirname, "mutants.ts"), "--json"];
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"], signal });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return new Promise((done, failed) => {
    child.on("error", failed);
    child.on("close", () => {
      if (text === "") failed(new Error("the mutants did not run"));
      else done(JSON.parse(text) as readonly Verdict[]);
    });
  });
}

describe("a rule that is removed is noticed", () => {
  let found: readonly Verdict[] = [];
  const end = new AbortController();
  beforeAll(async () => {
    found = await allVerdicts(end.signal);
  }, ALL_WITHIN_MS);
  afterAll(() => end.abort());

  for (const { rule, section, kills } of MUTANTS)
    test(`${rule} (${section})`, () => {
      const mine = found.filter((verdict) => verdict.rule === rule);
      expect(mine).toHaveLength(kills.length);
      expect(mine.filter(({ killed }) => !killed)).toEqual([]);
    });
});

describe("with all rules in place it ends well", () => {
  for (const race of RACES)
    test(race.name, async () => {
      const { ended, violation } = await play(race, 1);
      expect(violation?.message ?? null).toBeNull();
      expect(ended).toBe(true);
    });
});

test("every rule of the model is removed in the code, and a race or a schedule notices", () => {
  const played = MUTANTS.filter(({ kills }) => kills.some(({ by }) => by !== "test"));
  const rules = new Set(played.map(({ rule }) => rule));
  expect(rulesOfTheModel().length).toBeGreaterThan(25);
  expect(rulesOfTheModel().filter((rule) => !rules.has(rule))).toEqual([]);
});

test("every race notices the removal of some rule", () => {
  const named = MUTANTS.flatMap(({ kills }) =>
    kills.map((kill) => (kill.by === "race" ? kill.race : "")),
  );
  expect(RACES.filter(({ name }) => !named.includes(name)).map(({ name }) => name)).toEqual([]);
});

test("RULES.md says what the table says", () => {
  expect(readFileSync(join(import.meta.dirname, "RULES.md"), "utf8")).toBe(rulesText());
});

test("every rule serves something that RULES.md lists", () => {
  const listed = rulesText();
  const unknown = MUTANTS.flatMap(({ serves }) => serves).filter(
    (name) => !listed.includes(`\n| ${name} |`),
  );
  expect(unknown).toEqual([]);
});
