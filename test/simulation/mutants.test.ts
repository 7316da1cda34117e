// Removed rules are noticed. Only A SAMPLE runs here, because each takes a process of its own: every third mutant with a
// recorded killing seed. All of them: `npm run sim:mutants -- --verify`.
import { describe, expect, test } from "vitest";
import { MUTANTS } from "./mutant-table.ts";
import { verify } from "./mutants.ts";

const SAMPLE = 3;
const recorded = MUTANTS.filter((mutant) => mutant.killer !== null);

describe(`a sample, one of ${SAMPLE}, of the ${recorded.length} recorded mutants`, () => {
  for (const mutant of recorded.filter((_, at) => at % SAMPLE === 0))
    test(`without ${mutant.rule} (${mutant.section}) something breaks`, () => {
      expect(verify(mutant).says).toContain("seed");
    });
});

test("every mutant names its killing seed, or says why nothing notices", () => {
  const open = MUTANTS.filter((m) => m.killer === null && m.unnoticed === undefined);
  expect(open.map((m) => m.rule)).toEqual([]);
});
