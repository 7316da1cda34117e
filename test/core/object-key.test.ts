import { posix } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareKeys, keyProblem } from "../../src/core/object-key.ts";

describe("an object's key", () => {
  test("is any text of parts that a file may be called", () => {
    for (const key of ["a", "a/b/c", ".a", "a b", "ä/日本/\u{1f40e}", "a..b", "-", "x".repeat(255)])
      expect(keyProblem(key)).toBeNull();
  });

  test("is refused with the reason", () => {
    for (const [key, why] of [
      ["", "empty"],
      ["/a", "slash"],
      ["a/", "slash"],
      ["a//b", "empty"],
      ["a/./b", ". or .."],
      ["..", ". or .."],
      ["a\u0000", "printed"],
      ["a\u007f", "printed"],
      ["a\ud800", "printed"],
      ["x".repeat(256), "255 bytes"],
      ["ä".repeat(128), "255 bytes"],
      [Array.from({ length: 460 }, () => "a").join("/"), "900 bytes"],
      [".uploads/x", "own"],
    ] as const)
      expect(keyProblem(key)).toContain(why);
  });

  test("is never one that leads out of its directory", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(".", "..", "/", "a", "", "\\")), (pieces) => {
        const key = pieces.join("");
        if (keyProblem(key) !== null) return;
        expect(posix.join("/store", key)).toBe(`/store/${key}`);
      }),
    );
  });

  test("is ordered by the bytes of UTF-8", () => {
    const name = fc.string({ unit: "grapheme", maxLength: 6 });
    fc.assert(
      fc.property(name, name, (a, b) => {
        const bytes = Buffer.compare(Buffer.from(a), Buffer.from(b));
        expect(Math.sign(compareKeys(a, b))).toBe(bytes);
      }),
    );
    expect(compareKeys("\u{ff5e}", "\u{1f40e}")).toBeLessThan(0);
  });
});
