// Removed rules are noticed. Only A SAMPLE runs here: the mutants that almost every dozen schedules kills. The rare ones
// need a search whenever the code has moved what their seeds mean: `npm run sim:mutants`, and `-- --verify` for the recorded.
import { describe, expect, test } from "vitest";
import { MUTANTS } from "./mutant-table.ts";
import { occurrences, verify } from "./mutants.ts";

const SAMPLE = [
  "small_quorum",
  "winner_need_not_hold_T",
  "marker_not_awaited",
  "promise_not_durable",
  "not_fenced_by_newer_epoch",
  "nonvoter_acks",
  "kup_cas_first",
  "alone_release_first",
  "no_cas",
  "follow_errant",
  "wipe_a_voter",
];
const sample = MUTANTS.filter((mutant) => SAMPLE.includes(mutant.rule));

describe(`a sample: ${SAMPLE.length} of ${MUTANTS.length} mutants`, () => {
  for (const mutant of sample)
    test(`without ${mutant.rule} (${mutant.section}) something breaks`, () => {
      expect(verify(mutant).says).toContain("seed");
    });
});

test("the text of every rule is in the code exactly once", () => {
  const missing = MUTANTS.flatMap(({ rule, edits }) =>
    edits.filter((edit) => occurrences(edit) !== 1).map(({ file }) => `${rule} in ${file}`),
  );
  expect(missing).toEqual([]);
});

test("every mutant names its killing seed, or says why nothing notices", () => {
  const open = MUTANTS.filter((m) => m.killer === null && m.unnoticed === undefined);
  expect(open.map((m) => m.rule)).toEqual([]);
});
