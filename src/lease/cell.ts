// The memory that the lease's thread and the main thread share: the tick one way, the belief the other way.
// A reader never sees half of a belief, and reads "nothing is held" rather than wait for a writer. No message is
// needed, so a deadline is true at once on both sides.

export type LeaseCell = {
  /** Main thread: alive now. */
  tick(): void;
  /** When it ticked last, ms on the clock of `monotonicMs`. */
  tickedAt(): number;
  /** Lease thread: what is believed from now on. */
  publish(belief: Belief): void;
  read(): Belief;
};

/** LeaseView without its error, which needs no atomicity. */
export type Belief = {
  readonly session: string | null;
  readonly goodUntil: number;
  readonly heldUntil: number | null;
};

export const NO_BELIEF: Belief = { session: null, goodUntil: 0, heldUntil: null };

/** tick 8 bytes, sequence 4, (pad 4), goodUntil 8, heldUntil 8, session: a UUID of 36 characters. */
export const CELL_BYTES = 72;
const SESSION_CHARS = 36;
/** A writer needs a microsecond; one that was interrupted in the middle may need longer than we want to wait. */
const READ_TRIES = 1000;

/** This process's monotonic clock, the same in all its threads (performance.now() is not). */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export function createCell(memory: SharedArrayBuffer): LeaseCell {
  const ticked = new BigInt64Array(memory, 0, 1);
  const sequence = new Int32Array(memory, 8, 1);
  const deadlines = new Float64Array(memory, 16, 2);
  const session = new Uint8Array(memory, 32, SESSION_CHARS);
  return {
    tick: () => void Atomics.store(ticked, 0, process.hrtime.bigint()),
    tickedAt: () => Number(Atomics.load(ticked, 0)) / 1e6,
    publish(belief) {
      // An odd sequence says: in the middle of writing.
      Atomics.add(sequence, 0, 1);
      deadlines[0] = belief.goodUntil;
      deadlines[1] = belief.heldUntil ?? NaN;
      const id = (belief.session ?? "").padEnd(SESSION_CHARS, " ");
      for (let at = 0; at < SESSION_CHARS; at++) session[at] = id.charCodeAt(at);
      Atomics.add(sequence, 0, 1);
    },
    read() {
      for (let tries = 0; tries < READ_TRIES; tries++) {
        const before = Atomics.load(sequence, 0);
        if (before % 2 !== 0) continue;
        const [goodUntil = 0, held = NaN] = deadlines;
        const id = String.fromCharCode(...session).trim();
        if (Atomics.load(sequence, 0) !== before) continue;
        // Fresh memory is all zero.
        if (before === 0 || id === "") return { ...NO_BELIEF };
        return { session: id, goodUntil, heldUntil: Number.isNaN(held) ? null : held };
      }
      return { ...NO_BELIEF };
    },
  };
}
