// The next piece of a binary log to archive: whole transactions that the server has executed, and no byte behind them.
import { memberOf, setOf, formatGtid } from "../core/gtid-members.ts";
import { type GtidSet } from "../core/gtid.ts";
import type { Stamp } from "../core/backup/segment.ts";
import { BinlogChanged } from "./archive-write.ts";
import type { Committed } from "../mysqld/binlog-event.ts";
import { transactions } from "../mysqld/binlog.ts";

/** A transaction that is larger makes a segment of its own: a segment has whole ones only. */
const SEGMENT_BYTES = 16 * 1_048_576;

export type Scan = {
  /** Null: there is nothing to archive. */
  readonly piece: Piece | null;
  /** What stands before the piece and is accounted for: archived from another server. */
  readonly skipped: GtidSet;
  /** Where the scan came to; with a piece, its end. */
  readonly to: number;
  /** The file was read to its end. */
  readonly ended: boolean;
};

export type Piece = {
  readonly from: number;
  readonly to: number;
  readonly added: GtidSet;
  readonly transactions: number;
  readonly first: Stamp;
  readonly last: Stamp;
  readonly latest: number;
};

/** `from`: where a transaction begins. Errors: those of the disk. */
export async function scan(o: {
  readonly path: string;
  readonly from: number;
  readonly executed: GtidSet;
  /** What the archive has, or has missed: it goes on behind that. */
  readonly accounted: GtidSet;
  readonly signal: AbortSignal;
}): Promise<Scan> {
  const isExecuted = memberOf(o.executed);
  const isAccounted = memberOf(o.accounted);
  const skipped: Committed[] = [];
  const found: Committed[] = [];
  let [begin, to] = [o.from, o.from];
  let ended = true;
  for await (const one of orChanged(o.path, transactions([o.path], o.from))) {
    o.signal.throwIfAborted();
    const start = one.pieces[0]?.start ?? to;
    const isFull = found.length > 0 && to - begin >= SEGMENT_BYTES;
    // In the binary log and not executed: nobody has acknowledged it, and a fence may take it away.
    if (isFull || !isExecuted(one)) {
      ended = false;
      break;
    }
    if (found.length === 0 && isAccounted(one)) skipped.push(one);
    else {
      if (found.length === 0) begin = start;
      found.push(one);
    }
    to = one.pieces.at(-1)?.end ?? to;
  }
  return { piece: pieceOf(found, begin, to), skipped: setOf(skipped), to, ended };
}

async function* orChanged<T>(path: string, source: AsyncIterable<T>): AsyncGenerator<T, void> {
  try {
    yield* source;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
    throw new BinlogChanged(`${path} was purged`, { cause });
  }
}

function pieceOf(found: readonly Committed[], from: number, to: number): Piece | null {
  const [first, last] = [found[0], found.at(-1)];
  if (first === undefined || last === undefined) return null;
  return {
    from,
    to,
    added: setOf(found),
    transactions: found.length,
    first: stampOf(first),
    last: stampOf(last),
    latest: found.reduce((most, { committedAt }) => Math.max(most, committedAt), 0),
  };
}

export function stampOf(one: Committed): Stamp {
  return { gtid: formatGtid(one), at: one.committedAt };
}
