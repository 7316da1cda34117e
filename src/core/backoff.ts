// How long to wait before trying again: doubling from the first pause to the longest. Pure: time and chance come in.

export type Backoff = {
  readonly firstMs: number;
  readonly longestMs: number;
};

/** The pause after this many failures in a row (1 = the first). `chance` in [0, 1) takes off up to a quarter. */
export function pauseAfter(failures: number, backoff: Backoff, chance = 0): number {
  if (failures < 1) return 0;
  // Past 2^30 any sensible longest pause is reached, and the power stays a whole number.
  const doubled = backoff.firstMs * 2 ** Math.min(failures - 1, 30);
  return Math.min(doubled, backoff.longestMs) * (1 - chance / 4);
}
