// The mutator of test/mutation: what it changes, what it leaves alone, and that its list of equivalents is not out of date.
import { describe, expect, test } from "vitest";
import { candidates } from "./mutation/core.ts";
import { EQUIVALENTS } from "./mutation/equivalents.ts";
import { variantsOf } from "./mutation/operators.ts";

const changes = (source: string): readonly string[] =>
  variantsOf("a.ts", source).map(({ id }) => id.replace(/^a\.ts \w*: /, ""));

describe("a small wrong version", () => {
  test.each([
    ["if (a) b();", ["a → false", "a → true", "b(); → ;"]],
    ["const x = a < 1;", ["a < 1 → a <= 1"]],
    ["const x = a === 1;", ["a === 1 → a !== 1"]],
    ["const x = a && b;", ["a && b → (a)", "a && b → (b)"]],
    ["const x = a ?? b;", ["a ?? b → (a)", "a ?? b → (b)"]],
    ["const x = a ? 1 : 2;", ["a ? 1 : 2 → (1)", "a ? 1 : 2 → (2)"]],
    ["const x = !a;", ["!a → (a)"]],
    ["const x = a - 1;", ["a - 1 → a + 1"]],
    ["const x = { on: true };", ["true → false"]],
    ["const x = a.filter(f);", ["a.filter(f) → a"]],
    ["const x = a.some(f);", ["some → every"]],
    ["const x = Math.max(a, 1);", ["max → min"]],
  ])("of %s", (source, expected) => {
    expect(changes(source)).toEqual(expected);
  });

  test("is never of a type, nor of a loop's test, which could make it endless", () => {
    expect(changes("type A = true | false;")).toEqual([]);
    expect(changes("const f = (a: B<true>): a is C => d as E;")).toEqual([]);
    expect(changes("for (let i = 0; i < 9; i++) {}")).toEqual([]);
    expect(changes("while (a < 9) {}")).toEqual([]);
  });

  test("says which of several it is, and in which function", () => {
    const source = "function f() { if (a) return 1; if (a) return 2; }";
    expect(variantsOf("a.ts", source).map(({ id }) => id)).toEqual([
      "a.ts f: a → false",
      "a.ts f: a → true",
      "a.ts f: a → false (2)",
      "a.ts f: a → true (2)",
    ]);
  });

  test("is the source with that one change", () => {
    const [first] = variantsOf("a.ts", "// ≥ ü\nif (a) b();\n");
    expect(first?.code).toBe("// ≥ ü\nif (false) b();\n");
  });
});

test("every equivalent is still a version of the code, once", () => {
  const ids = candidates().map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(EQUIVALENTS.filter(({ id }) => !ids.includes(id)).map(({ id }) => id)).toEqual([]);
  expect(ids.length).toBeGreaterThan(1_000);
});
