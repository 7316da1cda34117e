// Who reaches whom. Cuts go one way, are counted (two faults may cut one path) and silent: what was sent waits for the
// heal, as TCP keeps it, or is given up by whoever sent it. A dialogue needs both ways.
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
    if (this.extraMs === 0) return base;
    this.#world.saw("network slow");
    return base + random.next() * this.extraMs;
  }

  /** Whether what is sent now does not arrive. */
  isBlocked(from: string, to: string): boolean {
    if (this.#cuts.size === 0 || !this.#cuts.has(way(from, to))) return false;
    this.#world.saw(this.#cuts.has(way(to, from)) ? "path cut" : "path cut one way");
    return true;
  }

  /** Whether no question between the two is answered. */
  isCut(a: string, b: string): boolean {
    return this.isBlocked(a, b) || this.isBlocked(b, a);
  }

  cut(from: string, to: string): void {
    const key = way(from, to);
    this.#cuts.set(key, (this.#cuts.get(key) ?? 0) + 1);
  }

  heal(from: string, to: string): void {
    const key = way(from, to);
    const left = (this.#cuts.get(key) ?? 0) - 1;
    if (left > 0) this.#cuts.set(key, left);
    else {
      this.#cuts.delete(key);
      this.#flush(pair(from, to));
    }
  }

  healAll(): void {
    this.#cuts.clear();
    for (const key of this.#waiting.keys()) this.#flush(key);
    this.extraMs = 0;
  }

  /** What is to be sent again when the two may see each other: it looks again itself. */
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

const way = (from: string, to: string): string => `${from}>${to}`;

function pair(a: string, b: string): string {
  return a < b ? `${a}|${b}` : `${b}|${a}`;
}
