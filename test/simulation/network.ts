// Who reaches whom. Cuts are symmetric, counted (two faults may cut one pair) and silent: what was sent waits for the
// heal, as TCP keeps it, or is given up by whoever sent it.
import type { World } from "./world.ts";

export class Network {
  readonly #world: World;
  readonly #cuts = new Map<string, number>();
  readonly #waiting = new Map<string, (() => void)[]>();
  /** A slow network: this much more per message, at most. */
  extraMs = 0;

  constructor(world: World) {
    this.#world = world;
  }

  latency(): number {
    const { random } = this.#world;
    const base = 0.1 + random.next() * 0.5;
    return this.extraMs === 0 ? base : base + random.next() * this.extraMs;
  }

  isCut(a: string, b: string): boolean {
    return this.#cuts.size > 0 && this.#cuts.has(pair(a, b));
  }

  cut(a: string, b: string): void {
    const key = pair(a, b);
    this.#cuts.set(key, (this.#cuts.get(key) ?? 0) + 1);
  }

  heal(a: string, b: string): void {
    const key = pair(a, b);
    const left = (this.#cuts.get(key) ?? 0) - 1;
    if (left > 0) this.#cuts.set(key, left);
    else {
      this.#cuts.delete(key);
      this.#flush(key);
    }
  }

  healAll(): void {
    const keys = [...this.#cuts.keys()];
    this.#cuts.clear();
    for (const key of keys) this.#flush(key);
    this.extraMs = 0;
  }

  /** What is to be sent again when the two see each other. */
  onHeal(a: string, b: string, run: () => void): void {
    const key = pair(a, b);
    const list = this.#waiting.get(key);
    if (list === undefined) this.#waiting.set(key, [run]);
    else list.push(run);
  }

  #flush(key: string): void {
    const list = this.#waiting.get(key) ?? [];
    this.#waiting.delete(key);
    // TCP's next retransmission.
    for (const run of list) this.#world.after(this.#world.random.between(1, 200), null, run);
  }
}

function pair(a: string, b: string): string {
  return a < b ? `${a}|${b}` : `${b}|${a}`;
}
