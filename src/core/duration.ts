// Durations as people write them in configuration: "500ms", "5s", "1m", "36h", "7d", and sums such as "1m30s".
// A bare number is refused: nobody knows whether it means seconds or milliseconds.

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds, or null when the text is no duration. */
export function parseDuration(text: string): number | null {
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return null;
  const parts = text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g);
  return [...parts].reduce(
    (sum, part) => sum + Number(part[1]) * UNITS[part[2] as keyof typeof UNITS],
    0,
  );
}

/** The shortest exact text, in at most two units: 90000 → "1m30s". Whole milliseconds; a fraction is rounded. */
export function formatDuration(ms: number): string {
  const whole = Math.max(0, Math.round(ms));
  if (whole < 1_000) return `${whole}ms`;
  if (whole < 60_000) return `${Number((whole / 1_000).toFixed(1))}s`;
  const [big, bigUnit, small, smallUnit] =
    whole < UNITS.h
      ? (["m", UNITS.m, "s", UNITS.s] as const)
      : whole < UNITS.d
        ? (["h", UNITS.h, "m", UNITS.m] as const)
        : (["d", UNITS.d, "h", UNITS.h] as const);
  const rest = Math.floor((whole % bigUnit) / smallUnit);
  return `${Math.floor(whole / bigUnit)}${big}${rest === 0 ? "" : `${rest}${small}`}`;
}
