// Durations as ContainerPilot's files have them: Go's ("1h30m", "1.5s", "200ms", "-1s"), or a whole number of seconds.

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3, // the micro sign …
  μs: 1e-3, // … and the Greek letter
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

const PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;
const WHOLE = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/;

/** What an int64 of nanoseconds holds: 292 years. */
const LONGEST_MS = 2 ** 63 / 1e6;

/** Milliseconds, with fractions; null when it is no duration. A fraction without a unit is none. */
export function parseGoDuration(value: string | number): number | null {
  const text = String(value);
  const ms = /^[+-]?\d+$/.test(text) ? Number(text) * 1_000 : withUnits(text);
  return ms === null || Math.abs(ms) > LONGEST_MS ? null : ms;
}

function withUnits(text: string): number | null {
  if (!WHOLE.test(text)) return null;
  const parts = [...text.matchAll(PART)];
  const sum = parts.reduce(
    (ms, [, count, unit = ""]) => ms + Number(count) * (UNITS[unit] ?? 0),
    0,
  );
  return text.startsWith("-") ? -sum : sum;
}
