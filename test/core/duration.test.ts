import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatDuration, parseDuration } from "../../src/core/duration.ts";

describe("durations", () => {
  test.each([
    ["500ms", 500],
    ["5s", 5_000],
    ["1.5s", 1_500],
    ["1m30s", 90_000],
    ["36h", 129_600_000],
    ["7d", 604_800_000],
    ["0s", 0],
  ])("%s is %d ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each(["", "5", "5 s", "-5s", "s", "5sec", "5S", "1e3s", "s5", "5s,"])(
    "%j is no duration",
    (text) => {
      expect(parseDuration(text)).toBeNull();
    },
  );

  test("what is formatted in full seconds below a minute, or two units above, reads back as the same", () => {
    const times = fc.oneof(
      fc.integer({ min: 0, max: 999 }),
      fc.integer({ min: 1, max: 3_599 }).map((s) => s * 1_000),
      fc.integer({ min: 60, max: 1_439 }).map((m) => m * 60_000),
      fc.integer({ min: 24, max: 10_000 }).map((h) => h * 3_600_000),
    );
    fc.assert(fc.property(times, (ms) => parseDuration(formatDuration(ms)) === ms));
  });

  test.each([
    [0, "0ms"],
    [90_000, "1m30s"],
    [3_600_000, "1h"],
    [93_600_000, "1d2h"],
    [1_234, "1.2s"],
  ])("%d ms is written %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});
