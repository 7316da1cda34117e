// Buffers for parts, a fixed number of them: who wants one more waits. And the gauge that says what is held.

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
  /** A buffer of the pool's size, when one is free. Its bytes are whatever they were. */
  take(): Promise<Buffer>;
  give(buffer: Buffer): void;
  /** Forgets all buffers that were given back. */
  drain(): void;
};

export function createPool(count: number, bytes: number, meter: Meter): Pool {
  const free: Buffer[] = [];
  const waiting: ((buffer: Buffer) => void)[] = [];
  let made = 0;
  return {
    async take() {
      const one = free.pop();
      if (one !== undefined) return one;
      if (made === count) return new Promise((resolve) => waiting.push(resolve));
      made += 1;
      meter.add(bytes);
      // Its own memory, not a slice of Node's shared slab, which it would keep alive.
      return Buffer.allocUnsafeSlow(bytes);
    },
    give(buffer) {
      const next = waiting.shift();
      if (next === undefined) free.push(buffer);
      else next(buffer);
    },
    drain() {
      meter.add(-free.length * bytes);
      made -= free.length;
      free.length = 0;
    },
  };
}
