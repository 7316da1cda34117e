// The table of error codes, the code that raises them and README's list say the same.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ERROR_CODES } from "../src/error-codes.ts";
import { ROOT, sources, strip } from "./source.ts";

const codes = Object.keys(ERROR_CODES);
const README = join(ROOT, "README.md");

/** The codes in the first column of the table below "## Errors"; null: there is no such section. */
export function codesIn(readme: string): readonly string[] | null {
  const section = /^## Errors\n([\s\S]*?)(?=^## |(?![\s\S]))/m.exec(readme)?.[1];
  if (section === undefined) return null;
  return [...section.matchAll(/^\|\s*`?(AP_[A-Z_]+)`?\s*\|/gm)].map(([, code = ""]) => code);
}

describe("the error codes", () => {
  test("are told in alphabetical order, each with a meaning and a hint", () => {
    expect(codes).toEqual(codes.toSorted());
    for (const { means, hint } of Object.values(ERROR_CODES)) {
      expect(means).toMatch(/^(mysqld|[A-Z`]).*\.$/);
      expect(hint).toMatch(/[^.]$/);
    }
  });

  test("are called AP_<AREA>_<WHAT>", () => {
    for (const code of codes) expect(code).toMatch(/^AP(_[A-Z]+)+$/);
  });

  test("are each raised somewhere", () => {
    const code = sources()
      .filter(({ path }) => !path.startsWith("src/error-codes"))
      .map(({ text }) => strip(text, { strings: false }))
      .join("\n");
    expect(codes.filter((one) => !code.includes(`"${one}"`))).toEqual([]);
  });

  test("are all in README's list, and README lists no other", () => {
    if (!existsSync(README))
      throw new Error("there is no README.md: it has to list the error codes");
    const listed = codesIn(readFileSync(README, "utf8"));
    if (listed === null)
      throw new Error('README.md has no section "## Errors" with a table of codes');
    expect([...listed].toSorted()).toEqual(codes);
  });

  test("the check of README's list reads a table (the check can fail)", () => {
    expect(
      codesIn("# x\n## Errors\n| Code | a |\n|---|---|\n| `AP_A_B` | x |\n## Next\n| AP_C_D |"),
    ).toEqual(["AP_A_B"]);
    expect(codesIn("## Errors\nnone\n")).toEqual([]);
    expect(codesIn("# x\n")).toBeNull();
  });
});
