// Chance from a seed: the same rounds on every machine.
export type Dice = {
  /** From 0 to below `n`. */
  below(n: number): number;
  pick<T>(from: readonly T[]): T;
};

export function diceOf(seed: number): Dice {
  let state = (seed + 0x9e3779b9) >>> 0;
  // mulberry32
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (n: number): number => Math.floor(next() * n);
  return {
    below,
    pick(from) {
      const one = from[below(from.length)];
      if (one === undefined) throw new Error("nothing to pick from");
      return one;
    },
  };
}
