import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { pauseAfter } from "../../src/core/backoff.ts";

const limits = { firstMs: 50, longestMs: 2_000 };

describe("backoff", () => {
  test("doubles from the first pause to the longest", () => {
    const pauses = [1, 2, 3, 4, 5, 6, 7, 8].map((failures) => pauseAfter(failures, limits));
    expect(pauses).toEqual([50, 100, 200, 400, 800, 1_600, 2_000, 2_000]);
  });

  test("is nothing before the first failure", () => {
    expect(pauseAfter(0, limits)).toBe(0);
  });

  test("never shrinks with more failures, is never above the longest, and chance takes off at most a quarter", () => {
    const chance = fc.double({ min: 0, max: 0.999, noNaN: true });
    const failures = fc.integer({ min: 1, max: 10_000 });
    fc.assert(
      fc.property(failures, chance, (n, luck) => {
        const full = pauseAfter(n, limits);
        const taken = pauseAfter(n, limits, luck);
        expect(full).toBeLessThanOrEqual(pauseAfter(n + 1, limits));
        expect(full).toBeLessThanOrEqual(limits.longestMs);
        expect(taken).toBeLessThanOrEqual(full);
        expect(taken).toBeGreaterThanOrEqual(full * 0.75);
      }),
    );
  });
});
