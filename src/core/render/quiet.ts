// When to render after changes: once nothing has changed for a while, but never later than so long after the first
// change. Ten services that move together cost one reload, and one that flaps for ever does not stop everybody else.

export type Wait = {
  /** Without a change for so long, it is quiet. */
  readonly leastMs: number;
  /** After the first change, quiet or not. */
  readonly mostMs: number;
};

/** The changes that were not rendered yet. */
export type Unrest = { readonly firstAt: number; readonly lastAt: number };

export function changedAt(unrest: Unrest | null, now: number): Unrest {
  return { firstAt: unrest?.firstAt ?? now, lastAt: now };
}

export function dueAt({ firstAt, lastAt }: Unrest, { leastMs, mostMs }: Wait): number {
  return Math.min(lastAt + leastMs, firstAt + mostMs);
}
