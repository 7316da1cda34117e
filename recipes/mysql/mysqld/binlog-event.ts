// Events of MySQL's binary log, as far as whole transactions have to be told apart: their types, GTIDs and statements.
// Formats: MySQL Internals, "Binary Log"; libs/mysql/binlog/event and libs/mysql/serialization of the server's source.

import type { Gtid } from "../core/gtid-members.ts";
import { uuidText } from "./uuid-text.ts";

export const HEADER_BYTES = 19;
const LOG_EVENT_BINLOG_IN_USE = 0x1;

export const TYPE = {
  query: 2,
  format: 15,
  xid: 16,
  gtid: 33,
  anonymous: 34,
  xaPrepare: 38,
  payload: 40,
  taggedGtid: 42,
} as const;

/** A transaction's name and when its server committed it, in µs since 1970 by that server's clock; 0: it does not say. */
export type Committed = Gtid & { readonly committedAt: number };

/** A file that nobody closed says so in its first event; its checksum is made without that flag. */
export function notInUse(event: Buffer): Buffer {
  const copy = Buffer.from(event);
  copy.writeUInt16LE(copy.readUInt16LE(17) & ~LOG_EVENT_BINLOG_IN_USE, 17);
  return copy;
}

/** The start of a Query event's statement, long enough to tell the words that matter here. */
export function statementOf(event: Buffer, size: number, format: Buffer): string {
  const at = HEADER_BYTES;
  const statusBytes = event.readUInt16LE(at + 11);
  const start = at + 13 + statusBytes + event.readUInt8(at + 8) + 1;
  const end = size - (hasChecksums(format) ? 4 : 0);
  return event.toString("latin1", start, Math.min(end, start + 64, event.length));
}

/** The last bytes of a format description event: the algorithm, then its own checksum. */
function hasChecksums(format: Buffer): boolean {
  return format.length > 5 && format.readUInt8(format.length - 5) === 1;
}

/** Behind flags, uuid, number and the two logical clocks of parallel appliers. */
const COMMITTED_AT = HEADER_BYTES + 42;
/** Of the seven bytes; the highest one says that the first server's own time follows. */
const COMMITTED_BITS = 55;

export function gtidOf(type: number, event: Buffer): Committed {
  if (type === TYPE.taggedGtid) return taggedGtid(event.subarray(HEADER_BYTES));
  const uuid = uuidText(event.subarray(HEADER_BYTES + 1, HEADER_BYTES + 17));
  const n = Number(event.readBigInt64LE(HEADER_BYTES + 17));
  const hasTime = event.length >= COMMITTED_AT + 7;
  const committedAt = hasTime
    ? BigInt.asUintN(COMMITTED_BITS, readUInt56(event, COMMITTED_AT))
    : 0n;
  return { uuid, tag: "", n, committedAt: Number(committedAt) };
}

function readUInt56(bytes: Buffer, at: number): bigint {
  return BigInt(bytes.readUIntLE(at, 6)) | (BigInt(bytes.readUInt8(at + 6)) << 48n);
}

/** Three numbers of the message's own, then field by field its id and value, in the order of the ids. */
const FIELD = { flags: 0, uuid: 1, number: 2, tag: 3, clocks: [4, 5], committedAt: 6 } as const;

function taggedGtid(body: Buffer): Committed {
  const numbers = new Numbers(body);
  for (let i = 0; i < 3; i++) numbers.next();
  const found = { uuid: "", tag: "", n: 0, committedAt: 0 };
  for (
    let field = Number(numbers.next());
    field <= FIELD.committedAt;
    field = Number(numbers.next())
  ) {
    if (field === FIELD.flags || field === FIELD.clocks[0] || field === FIELD.clocks[1])
      numbers.next();
    if (field === FIELD.uuid)
      found.uuid = uuidText(Uint8Array.from({ length: 16 }, () => Number(numbers.next())));
    // Signed: its sign is the lowest bit.
    if (field === FIELD.number) found.n = Number(numbers.next() >> 1n);
    if (field === FIELD.tag) found.tag = numbers.text(Number(numbers.next()));
    if (field === FIELD.committedAt) {
      found.committedAt = Number(numbers.next());
      break;
    }
  }
  return found;
}

/** Numbers of variable length: as many 1 bits at the low end of the first byte as bytes follow it. */
export class Numbers {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  next(): bigint {
    const first = this.#bytes.readUInt8(this.#at);
    let more = 0;
    while (more < 8 && (first & (1 << more)) !== 0) more += 1;
    let value = 0n;
    for (let i = more; i >= 0; i--)
      value = (value << 8n) | BigInt(this.#bytes.readUInt8(this.#at + i));
    this.#at += more + 1;
    return more === 8 ? value >> 8n : value >> BigInt(more + 1);
  }

  /** How many bytes were read so far. */
  get read(): number {
    return this.#at;
  }

  text(bytes: number): string {
    this.#at += bytes;
    return this.#bytes.toString("latin1", this.#at - bytes, this.#at);
  }
}
