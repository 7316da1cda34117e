// Long passes over a ledger, cut into steps: between two of them the drill's event loop gets its turn, because the drill's
// network runs in it. A pass is a generator that yields now and then; its value is the answer.

export type Steps<T> = Generator<undefined, T>;

/** So many writes are looked at in a few milliseconds. */
const STEP = 4_096;

/** Whether it is time to yield. */
export function isTurn(i: number): boolean {
  return i % STEP === STEP - 1;
}

/** All of it at once. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** With a turn of the event loop after each step. */
export async function inTurns<T>(steps: Steps<T>, turn: () => Promise<unknown>): Promise<T> {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
    await turn();
  }
}
