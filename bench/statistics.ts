// The few numbers that a bench reports of its rounds.

export type Spread = { readonly median: number; readonly max: number; readonly min: number };

/** Of at least one number; the middle of the two middle ones for an even count. One decimal. */
export function spreadOf(values: readonly number[]): Spread | null {
  const sorted = values.toSorted((a, b) => a - b);
  const [min, max] = [sorted[0], sorted.at(-1)];
  const low = sorted[Math.floor((sorted.length - 1) / 2)];
  const high = sorted[Math.ceil((sorted.length - 1) / 2)];
  if (min === undefined || max === undefined || low === undefined || high === undefined)
    return null;
  return { median: round((low + high) / 2), max: round(max), min: round(min) };
}

/** To one decimal. */
export function round(value: number): number {
  return Math.round(value * 10) / 10;
}
