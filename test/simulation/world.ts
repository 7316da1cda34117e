// Virtual time: events ordered by time, then by the order of their making. Between two events every pending promise job
// runs to its end: Node empties its queue of microtasks after each immediate, and nothing in here uses any other queue.
// An event belongs to a life (a process): a dead one's events are dropped, a stopped one's wait until it goes on.
import type { Clock } from "../../src/ports.ts";
import type { Effect } from "./effects.ts";
import { randomOf, type Random } from "./random.ts";

type Event = {
  readonly time: number;
  readonly order: number;
  readonly life: Life | null;
  run: (() => void) | null;
};

export type Timer = Event;

/** A process of the simulated world. */
export class Life {
  readonly name: string;
  alive = true;
  paused = false;
  held: Event[] = [];

  constructor(name: string) {
    this.name = name;
  }

  get runs(): boolean {
    return this.alive && !this.paused;
  }

  /** SIGKILL: nothing of it happens any more. */
  end(): void {
    this.alive = false;
    this.held = [];
  }
}

/** So many events run in one turn of Node's event loop. */
const BATCH = 512;

export class World {
  readonly random: Random;
  now = 0;
  events = 0;
  /** Set: the run ends before the next event. */
  over: unknown = null;
  /** What faults did, and how often. */
  readonly seen: Partial<Record<Effect, number>> = {};
  readonly #heap: Event[] = [];
  #order = 0;

  constructor(seed: number) {
    this.random = randomOf(seed);
  }

  /** `life` null: nobody's, it happens whatever dies. */
  after(ms: number, life: Life | null, run: () => void): Timer {
    const event = { time: this.now + Math.max(0, ms), order: this.#order++, life, run };
    this.#push(event);
    return event;
  }

  saw(effect: Effect): void {
    this.seen[effect] = (this.seen[effect] ?? 0) + 1;
  }

  cancel(timer: Timer): void {
    timer.run = null;
  }

  /** SIGSTOP. */
  pause(life: Life): void {
    life.paused = true;
  }

  /** SIGCONT: what waited happens now, in its order. */
  resume(life: Life): void {
    life.paused = false;
    const held = life.held;
    life.held = [];
    for (const { run } of held) if (run !== null) this.after(0, life, run);
  }

  wait(ms: number, life: Life | null): Promise<void> {
    return new Promise((resolve) => void this.after(ms, life, resolve));
  }

  /** Runs all events up to `until`. Rejects with what an event throws, or with `over`. */
  run(until: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let done = false;
      const step = (): void => {
        if (done) return;
        const first = this.#next(until);
        if (this.over !== null || first === undefined || first.time > until) {
          done = true;
          if (this.over === null) this.now = until;
          return this.over === null ? resolve() : reject(this.over as Error);
        }
        this.#pop();
        try {
          this.#happen(first);
        } catch (error) {
          done = true;
          reject(error as Error);
        }
      };
      const turn = (): void => {
        for (let at = 0; at < BATCH && !done; at++) setImmediate(step);
        if (!done) setImmediate(turn);
      };
      turn();
    });
  }

  /** The first event; one that was cancelled is not worth a turn. */
  #next(until: number): Event | undefined {
    let first = this.#heap[0];
    while (first !== undefined && first.run === null && first.time <= until) {
      this.#pop();
      first = this.#heap[0];
    }
    return first;
  }

  #happen(event: Event): void {
    const { life, run } = event;
    if (run === null) return;
    this.now = event.time;
    if (life !== null) {
      if (!life.alive) return;
      if (life.paused) {
        life.held.push(event);
        return;
      }
    }
    this.events += 1;
    run();
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up] as Event;
      if (before(parent, event)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    const count = heap.length;
    if (count === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= count) break;
      if (child + 1 < count && before(heap[child + 1] as Event, heap[child] as Event)) child += 1;
      if (before(last, heap[child] as Event)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
  }
}

function before(a: Event, b: Event): boolean {
  return a.time < b.time || (a.time === b.time && a.order < b.order);
}

/** A machine's clocks: they drift, and its wall clock may jump. */
export type MachineTime = { rate: number; origin: number; wallOffset: number };

/** From now on the clock goes at this rate; it never jumps. */
export function drift(world: World, time: MachineTime, rate: number): void {
  time.origin += world.now * (time.rate - rate);
  time.rate = rate;
}

/** The clock that one process sees; its sleeps end with it. */
export function clockOf(world: World, life: Life, time: MachineTime): Clock {
  const now = (): number => time.origin + world.now * time.rate;
  return {
    now,
    wall: () => 1_750_000_000_000 + now() + time.wallOffset,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(reasonOf(signal));
        const sleepers = signal === undefined ? null : sleepersOf(signal);
        const timer = world.after(Math.max(ms, 0.01) / time.rate, life, () => {
          sleepers?.delete(aborted);
          resolve();
        });
        const aborted = (): void => {
          world.cancel(timer);
          reject(reasonOf(signal));
        };
        sleepers?.add(aborted);
      }),
  };
}

/** One listener per signal: most sleeps of a process share one that is never aborted. */
const sleeping = new WeakMap<AbortSignal, Set<() => void>>();

function sleepersOf(signal: AbortSignal): Set<() => void> {
  const known = sleeping.get(signal);
  if (known !== undefined) return known;
  const sleepers = new Set<() => void>();
  sleeping.set(signal, sleepers);
  const abort = (): void => {
    for (const aborted of sleepers) aborted();
    sleepers.clear();
  };
  signal.addEventListener("abort", abort, { once: true });
  return sleepers;
}

function reasonOf(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new Error("aborted", { cause: reason });
}
