import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { closest, editDistance } from "../../src/core/edit-distance.ts";

describe("edit distance", () => {
  test.each([
    ["node", "node", 0],
    ["nod", "node", 1],
    ["ndoe", "node", 1],
    ["nodes", "node", 1],
    ["mode", "node", 1],
    ["", "node", 4],
    ["kitten", "sitting", 3],
  ])("from %j to %j are %d mistakes", (from, to, mistakes) => {
    expect(editDistance(from, to)).toBe(mistakes);
  });

  test("is symmetric, and zero for equal words only", () => {
    const word = fc.string({ maxLength: 8 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b) === 0).toBe(a === b);
      }),
    );
  });

  test("the closest word is the one that was meant", () => {
    expect(closest("nod", ["hooks", "node", "log"])).toBe("node");
    expect(closest("htpPort", ["httpPort", "host"])).toBe("httpPort");
    expect(closest("LOG", ["log"])).toBe("log");
  });

  test("a word that is far from all is no mistake of any", () => {
    expect(closest("volume", ["node", "hooks"])).toBeNull();
    expect(closest("x", [])).toBeNull();
  });
});
