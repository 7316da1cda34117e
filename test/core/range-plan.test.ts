import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { evenRanges, partRanges, rangesAtOnce, type Range } from "../../src/core/range-plan.ts";

/** Every byte from `from` to `to` once, in order, and no range of nothing. */
function expectCovered(ranges: readonly Range[], from: number, to: number): void {
  let at = from;
  for (const { offset, bytes } of ranges) {
    expect(offset).toBe(at);
    expect(bytes).toBeGreaterThan(0);
    at += bytes;
  }
  expect(at).toBe(Math.max(from, to));
}

describe("the plan of a read", () => {
  test("covers an object by ranges of at most the size", () => {
    const size = fc.integer({ min: 0, max: 1000 });
    fc.assert(
      fc.property(size, fc.integer({ min: 1, max: 300 }), size, (bytes, each, from) => {
        const ranges = [...evenRanges(bytes, each, from)];
        expectCovered(ranges, from, bytes);
        for (const range of ranges) expect(range.bytes).toBeLessThanOrEqual(each);
        for (const range of ranges.slice(0, -1)) expect(range.bytes).toBe(each);
      }),
    );
  });

  test("has a range for each part that has bytes, with its hash", () => {
    const part = fc.record({ bytes: fc.integer({ min: 0, max: 50 }), sha256: fc.string() });
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const ranges = [...partRanges(parts)];
        expectCovered(
          ranges,
          0,
          parts.reduce((sum, { bytes }) => sum + bytes, 0),
        );
        const full = parts.filter(({ bytes }) => bytes > 0);
        expect(ranges.map(({ sha256 }) => sha256)).toEqual(full.map(({ sha256 }) => sha256));
      }),
    );
  });

  test("is made when it is asked for: an object of terabytes costs nothing in advance", () => {
    const [first] = evenRanges(2 ** 50, 1);
    expect(first).toEqual({ offset: 0, bytes: 1, sha256: null });
  });

  test("reads as many at once as fit into memory, one at least", () => {
    expect(rangesAtOnce(8, 64, 4)).toBe(4);
    expect(rangesAtOnce(30, 64, 4)).toBe(2);
    expect(rangesAtOnce(65, 64, 4)).toBe(1);
    expect(rangesAtOnce(0, 64, 4)).toBe(4);
  });
});
