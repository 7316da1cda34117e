// A clock that stands still until a test moves it.
import type { Clock } from "../../src/ports.ts";

type Sleeper = { readonly at: number; readonly wake: () => void };

export class ManualClock implements Clock {
  #now = 1_000;
  #sleepers: Sleeper[] = [];

  /** This clock knows no other time. */
  wall(): number {
    return this.now();
  }

  now(): number {
    return this.#now;
  }

  /** How many sleep now. */
  get sleeping(): number {
    return this.#sleepers.length;
  }

  /** Until when the next sleeper sleeps, from now; null: nobody sleeps. */
  get nextIn(): number | null {
    return this.#sleepers.length === 0
      ? null
      : Math.min(...this.#sleepers.map(({ at }) => at)) - this.#now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const sleeper: Sleeper = { at: this.#now + ms, wake: resolve };
      const abort = (): void => {
        this.#sleepers = this.#sleepers.filter((one) => one !== sleeper);
        reject(signal?.reason as Error);
      };
      if (signal?.aborted) return abort();
      signal?.addEventListener("abort", abort, { once: true });
      this.#sleepers.push(sleeper);
    });
  }

  /** Moves time on; whoever's time is over wakes. */
  advance(ms: number): void {
    this.#now += ms;
    const due = this.#sleepers.filter(({ at }) => at <= this.#now);
    this.#sleepers = this.#sleepers.filter(({ at }) => at > this.#now);
    for (const sleeper of due) sleeper.wake();
  }
}

/** Waits for a condition that real processes or promises bring about. */
export async function until(what: string, condition: () => unknown): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
