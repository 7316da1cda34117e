// Events of MySQL's binary log, as far as whole transactions have to be told apart: their types, GTIDs and statements.
// Formats: MySQL Internals, "Binary Log"; libs/mysql/binlog/event and libs/mysql/serialization of the server's source.

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

/** One GTID; `tag` is "" for one without (tags: 8.3). */
export type Gtid = { readonly uuid: string; readonly tag: string; readonly n: number };

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

export function gtidOf(type: number, event: Buffer): Gtid {
  if (type === TYPE.taggedGtid) return taggedGtid(event.subarray(HEADER_BYTES));
  const uuid = uuidText(event.subarray(HEADER_BYTES + 1, HEADER_BYTES + 17));
  return { uuid, tag: "", n: Number(event.readBigInt64LE(HEADER_BYTES + 17)) };
}

function uuidText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString("hex");
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join("-");
}

/** Three numbers of the message's own, then field by field its id and value: 0 flags, 1 uuid, 2 number, 3 tag. */
function taggedGtid(body: Buffer): Gtid {
  const numbers = new Numbers(body);
  for (let i = 0; i < 3; i++) numbers.next();
  const found = { uuid: "", tag: "", n: 0 };
  for (let field = Number(numbers.next()); field <= 3; field = Number(numbers.next())) {
    if (field === 0) numbers.next();
    if (field === 1)
      found.uuid = uuidText(Uint8Array.from({ length: 16 }, () => Number(numbers.next())));
    // Signed: its sign is the lowest bit.
    if (field === 2) found.n = Number(numbers.next() >> 1n);
    if (field === 3) found.tag = numbers.text(Number(numbers.next()));
  }
  return found;
}

/** Numbers of variable length: as many 1 bits at the low end of the first byte as bytes follow it. */
class Numbers {
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

  text(bytes: number): string {
    this.#at += bytes;
    return this.#bytes.toString("latin1", this.#at - bytes, this.#at);
  }
}
