// Makes changes of keys durable. A change counts when its fsync is done; all that gather while one fsync runs share the
// next. The file is rewritten whole at each start and when it has grown. After a failed write nothing succeeds any more.
import { printEntry, printLine, writeWhole } from "./journal-file.ts";
import type { Entry } from "./state.ts";

export type Journal = {
  /** Adds changed keys (null: deleted). They are not safe before `settled()` resolves. */
  append(changes: readonly (readonly [key: string, entry: Entry | null])[]): void;
  /** Sees to it that no index up to `index` is given again after a crash. */
  reserve(index: number): void;
  /** Resolves when all that was appended is on disk; null: it is already. Rejects for good after a failed write. */
  settled(): Promise<void> | null;
  /** Whether the file is worth rewriting. */
  isGrown(): boolean;
  /** Replaces the file by these keys. Lines appended later follow them. */
  rewrite(entries: Iterable<Entry>, index: number): void;
  close(): Promise<void>;
};

/** What one fsync makes safe: perhaps a whole new file first, then lines. */
type Batch = {
  lines: string[];
  snapshot: readonly Entry[] | null;
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
};

/** How many indexes are reserved by one line: sessions and checks use them without a line of their own. */
const RESERVE_STEP = 4096;
/** A file below this is not rewritten, and one above it not before it has doubled. */
const REWRITE_FROM_BYTES = 1024 * 1024;

/** A queue of batches of which one is written at a time. */
function createQueue(write: (batch: Batch) => Promise<void>) {
  let gathering: Batch | null = null;
  let writing: Promise<void> | null = null;
  let failed: Promise<void> | null = null;

  async function drainBatches(): Promise<void> {
    // All requests that this turn of the event loop brings share one fsync.
    await new Promise(setImmediate);
    while (gathering !== null) {
      const batch: Batch = gathering;
      gathering = null;
      writing = batch.promise;
      try {
        await write(batch);
      } catch (error) {
        batch.reject(error);
        failed = batch.promise;
        return;
      }
      batch.resolve();
    }
    writing = null;
  }

  return {
    /** The batch that is not being written yet. */
    gather(): Batch {
      if (gathering !== null) return gathering;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      // Whoever waits for the batch hears of its failure; without anybody waiting nothing was promised.
      promise.catch(() => undefined);
      gathering = { lines: [], snapshot: null, promise, resolve, reject };
      if (writing === null) void drainBatches();
      return gathering;
    },
    settled: (): Promise<void> | null => failed ?? gathering?.promise ?? writing,
    rewrites: (): boolean => (gathering?.snapshot ?? null) !== null,
  };
}

/** Opens the journal with a rewritten file. */
export async function openJournal(
  file: string,
  entries: Iterable<Entry>,
  index: number,
): Promise<Journal> {
  let reserved = index + RESERVE_STEP;
  let whole = await writeWhole(file, entries, reserved);
  let { bytes } = whole;

  const queue = createQueue(async (batch) => {
    if (batch.snapshot !== null) {
      const old = whole.handle;
      whole = await writeWhole(file, batch.snapshot, reserved);
      ({ bytes } = whole);
      await old.close();
    }
    if (batch.lines.length === 0) return;
    const text = batch.lines.join("");
    bytes += Buffer.byteLength(text);
    await whole.handle.write(text);
    await whole.handle.datasync();
  });

  return {
    append(changes) {
      const printed = changes.map(([key, entry]) => [key, entry && printEntry(entry)] as const);
      queue.gather().lines.push(printLine({ k: printed }));
    },
    reserve(wanted) {
      if (wanted <= reserved) return;
      reserved = wanted + RESERVE_STEP;
      queue.gather().lines.push(printLine({ r: reserved }));
    },
    settled: queue.settled,
    isGrown: () => bytes > Math.max(REWRITE_FROM_BYTES, 2 * whole.bytes) && !queue.rewrites(),
    rewrite(kept, at) {
      reserved = Math.max(reserved, at + RESERVE_STEP);
      const batch = queue.gather();
      batch.snapshot = [...kept];
      // The snapshot has what these lines say.
      batch.lines = [];
    },
    async close() {
      try {
        await queue.settled();
      } finally {
        await whole.handle.close();
      }
    },
  };
}
