// Reads binary and relay logs of a stopped server as whole transactions, each with its GTID and its place in the files,
// so that single ones can be copied byte for byte: `mysqlbinlog --raw` copies whole files, and only of a running server.
import { open, type FileHandle } from "node:fs/promises";
import { UnavailableError } from "../../../src/index.ts";
import {
  gtidOf,
  HEADER_BYTES,
  notInUse,
  statementOf,
  TYPE,
  type Committed,
} from "./binlog-event.ts";

export type Piece = { readonly path: string; readonly start: number; readonly end: number };

export type Transaction = Committed & {
  /** The format description event that its events were written under. */
  readonly format: Buffer;
  /** More than one where a relay log was rotated in its middle. */
  readonly pieces: readonly Piece[];
};

export const MAGIC = Buffer.from([0xfe, 0x62, 0x69, 0x6e]);
/** Enough of a Query event to see whether its statement is BEGIN: what stands before it is bounded by this. */
const QUERY_BYTES = 8_192;
const CHUNK_BYTES = 1_048_576;
/** Rotate, stop, previous GTIDs, heartbeats: between transactions, or in the middle of one that a rotation has split. */
const BETWEEN: ReadonlySet<number> = new Set([3, 4, 27, 35, 41]);

type Open = Omit<Transaction, "pieces"> & { pieces: Piece[]; began: boolean };

/**
 * The whole transactions of these files, in order; of the first file those behind `from`, where one ends. What a crash
 * or a broken connection has cut off in the middle is left out: the server does not count it either.
 * Errors: UnavailableError AP_VERB_FAILED where a file is encrypted or no binary log.
 */
export async function* transactions(
  paths: readonly string[],
  from = 0,
): AsyncGenerator<Transaction> {
  let group: Open | null = null;
  let begin = from;
  let format: Buffer = Buffer.alloc(0);
  for (const path of paths) {
    await using file = await open(path, "r");
    const bytes = new Reader(file);
    await requirePlain(path, bytes);
    for (let at = MAGIC.length; ;) {
      const header = await bytes.at(at, HEADER_BYTES);
      if (header === null) break;
      const type = header.readUInt8(4);
      const size = header.readUInt32LE(9);
      const wanted = type === TYPE.query ? Math.min(size, QUERY_BYTES) : isRead(type) ? size : 0;
      const event = await bytes.at(at, Math.max(wanted, HEADER_BYTES));
      // Torn: nothing behind it was ever complete.
      if (size < HEADER_BYTES || event === null || at + size > (await bytes.size())) break;
      const piece = { path, start: at, end: at + size };
      at += size;
      if (type === TYPE.format) {
        format = notInUse(event);
        at = Math.max(at, begin);
        begin = 0;
      }
      if (type === TYPE.gtid || type === TYPE.taggedGtid)
        group = { ...gtidOf(type, event), format, pieces: [piece], began: false };
      else if (type === TYPE.anonymous) group = null;
      if (group === null || isRead(type) || BETWEEN.has(type)) continue;
      extend(group, piece);
      const over = isOver(type, type === TYPE.query ? statementOf(event, size, format) : "", group);
      if (!over) continue;
      const { began: _, ...whole } = group;
      yield whole;
      group = null;
    }
  }
}

const isRead = (type: number): boolean =>
  type === TYPE.format || type === TYPE.gtid || type === TYPE.taggedGtid || type === TYPE.anonymous;

/** Whether the transaction ends with this event. A statement outside of BEGIN and COMMIT is a transaction of its own. */
function isOver(type: number, statement: string, group: Open): boolean {
  if (type === TYPE.xid || type === TYPE.xaPrepare || type === TYPE.payload) return true;
  if (type !== TYPE.query) return false;
  if (statement === "BEGIN" || statement.startsWith("XA START ")) group.began = true;
  return group.began ? statement === "COMMIT" || statement === "ROLLBACK" : true;
}

function extend(group: Open, piece: Piece): void {
  const last = group.pieces.at(-1);
  if (last?.path === piece.path && last.end === piece.start)
    group.pieces[group.pieces.length - 1] = { ...last, end: piece.end };
  else group.pieces.push(piece);
}

export async function requirePlain(path: string, bytes: Reader): Promise<void> {
  const magic = await bytes.at(0, MAGIC.length);
  // A file that ends before is one that was about to be made.
  if (magic === null || magic.equals(MAGIC)) return;
  const why = magic[0] === 0xfd ? "is encrypted" : "is no binary log";
  throw new UnavailableError("AP_VERB_FAILED", `${path} ${why}`);
}

/** Bytes of a file by their place, read in chunks: events are small and many. */
export class Reader {
  readonly #file: FileHandle;
  readonly #chunkBytes: number;
  #chunk: Buffer = Buffer.alloc(0);
  #start = 0;
  #size: number | null = null;

  constructor(file: FileHandle, chunkBytes = CHUNK_BYTES) {
    this.#file = file;
    this.#chunkBytes = chunkBytes;
  }

  async size(): Promise<number> {
    return (this.#size ??= (await this.#file.stat()).size);
  }

  /** Null: the file ends before. */
  async at(start: number, bytes: number): Promise<Buffer | null> {
    if (start + bytes > (await this.size())) return null;
    if (start < this.#start || start + bytes > this.#start + this.#chunk.length) {
      const wanted = Math.max(bytes, this.#chunkBytes);
      const { buffer, bytesRead } = await this.#file.read(Buffer.alloc(wanted), 0, wanted, start);
      this.#chunk = buffer.subarray(0, bytesRead);
      this.#start = start;
      if (bytesRead < bytes) return null;
    }
    return this.#chunk.subarray(start - this.#start, start - this.#start + bytes);
  }
}
