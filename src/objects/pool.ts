// Buffers for parts, which are used again, and the gauge that says what is held.
import { invariant } from "../errors.ts";

/** How much memory a store's uploads and reads hold for data; tests hold the limits against it. */
export type Gauge = {
  /** Now. */
  readonly bytes: number;
  /** The most so far. */
  readonly peak: number;
};

export type Meter = Gauge & { add(bytes: number): void };

export function createMeter(): Meter {
  let [bytes, peak] = [0, 0];
  return {
    get bytes() {
      return bytes;
    },
    get peak() {
      return peak;
    },
    add(more) {
      bytes += more;
      peak = Math.max(peak, bytes);
    },
  };
}

export type Pool = {
  /** A buffer of the pool's size; its bytes are whatever they were. There are never more than `count`. */
  take(): Buffer;
  give(buffer: Buffer): void;
  /** Forgets all buffers that were given back. */
  drain(): void;
};

export function createPool(count: number, bytes: number, meter: Meter): Pool {
  const free: Buffer[] = [];
  let made = 0;
  return {
    take() {
      const one = free.pop();
      if (one !== undefined) return one;
      invariant(made < count, "AP_BUG_INVARIANT", "upload: more parts under way than allowed");
      made += 1;
      meter.add(bytes);
      // Its own memory, not a slice of Node's shared slab, which it would keep alive.
      return Buffer.allocUnsafeSlow(bytes);
    },
    give(buffer) {
      free.push(buffer);
    },
    drain() {
      meter.add(-free.length * bytes);
      made -= free.length;
      free.length = 0;
    },
  };
}
