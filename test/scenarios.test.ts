// test/SCENARIOS.md claims that something covers each scenario of the field: every file that it names exists, and every
// title that it quotes stands in that file. A claim that nobody checks is the first one to be wrong.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ROOT } from "./source.ts";

const SCENARIOS = 98;
const ANSWERS = /^(covered|partly|open|later|not ours)\b/;

type Claim = {
  readonly path: string;
  readonly titles: readonly string[];
};
type Row = {
  readonly number: number;
  readonly answer: string;
  readonly claims: readonly Claim[];
  readonly by: string;
};

function rowsOf(text: string): readonly Row[] {
  return [...text.matchAll(/^\| (\d+) \|([^|]*)\|([^|]*)\|(.*)\|$/gm)].map((match) => {
    const [, number, , answer = "", by = ""] = match;
    return { number: Number(number), answer: answer.trim(), by: by.trim(), claims: claimsOf(by) };
  });
}

function claimsOf(by: string): readonly Claim[] {
  const claims = [...by.matchAll(/`((?:test|recipes|src)\/[^`]+)`((?: “[^”]*”)*)/g)];
  return claims.map(([, path = "", quoted = ""]) => ({
    path,
    titles: [...quoted.matchAll(/“([^”]*)”/g)].map(([, title = ""]) => title),
  }));
}

type Read = (path: string) => string | null;

const read: Read = (path) => {
  const place = join(ROOT, path);
  return existsSync(place) ? readFileSync(place, "utf8") : null;
};

/** What of a claim is not so. */
function untrue({ path, titles }: Claim, look: Read): readonly string[] {
  const text = look(path);
  if (text === null) return [`${path} does not exist`];
  // A template's text is compared as it is written; a sentence may be broken over comment lines.
  const flat = text.replaceAll(/\n\/\/ /g, " ").replaceAll("\\`", "`");
  return titles.filter((title) => !flat.includes(title)).map((title) => `${path}: no “${title}”`);
}

const wrongClaims = (rows: readonly Row[], look: Read): readonly string[] =>
  rows.flatMap(({ number, claims }) =>
    claims.flatMap((claim) => untrue(claim, look).map((why) => `${number}: ${why}`)),
  );

/** A row that says that it is covered must say by what, and a named file by which title. */
const unfounded = (rows: readonly Row[]): readonly number[] =>
  rows
    .filter(
      ({ answer, claims }) =>
        (/^(covered|partly)/.test(answer) && claims.length === 0) ||
        claims.some(({ titles }) => titles.length === 0),
    )
    .map(({ number }) => number);

const rows = rowsOf(readFileSync(join(ROOT, "test/SCENARIOS.md"), "utf8"));

describe("the field's scenarios", () => {
  test("are each answered once, in order", () => {
    const numbers = rows.map(({ number }) => number);
    expect(numbers).toEqual(Array.from({ length: SCENARIOS }, (_, i) => i + 1));
    expect(rows.filter(({ answer }) => !ANSWERS.test(answer))).toEqual([]);
    expect(unfounded(rows)).toEqual([]);
  });

  test("name files that exist, and titles that stand in them", () => {
    expect(wrongClaims(rows, read)).toEqual([]);
  });
});

describe("the check (it can fail)", () => {
  const look: Read = (path) => (path === "test/a.test.ts" ? 'test("is so", () => {})' : null);
  const wrong = (by: string) => wrongClaims(rowsOf(`| 1 | x | covered | ${by} |`), look);

  test("finds a file that is not there, and a title that is not in it", () => {
    expect(wrong("`test/a.test.ts` “is so”")).toEqual([]);
    expect(wrong("`test/b.test.ts` “is so”")).toEqual(["1: test/b.test.ts does not exist"]);
    expect(wrong("`test/a.test.ts` “is so” “is not”")).toEqual(["1: test/a.test.ts: no “is not”"]);
  });

  test("finds an answer without a claim", () => {
    expect(unfounded(rowsOf("| 7 | x | covered | somewhere |"))).toEqual([7]);
    expect(unfounded(rowsOf("| 7 | x | covered | `test/a.test.ts` is so |"))).toEqual([7]);
    expect(unfounded(rowsOf("| 7 | x | covered | `test/a.test.ts` “is so” |"))).toEqual([]);
    expect(unfounded(rowsOf("| 7 | x | open | |"))).toEqual([]);
  });
});
