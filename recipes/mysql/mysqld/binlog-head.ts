// What a binary log says of itself before its first transaction: the format of its events, and all GTIDs that its server
// had executed by then. Files of one name, of other servers or of before a reset, are told apart by it.
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { gtidSet, type GtidSet } from "../core/gtid.ts";
import { HEADER_BYTES, notInUse, Numbers } from "./binlog-event.ts";
import { uuidText } from "./uuid-text.ts";
import { MAGIC, Reader, requirePlain } from "./binlog.ts";

export type BinlogHead = {
  /** A binary log without a transaction: its magic number, format description and previous GTIDs. */
  readonly bytes: Buffer;
  readonly previous: GtidSet;
  /** Of the bytes. */
  readonly fingerprint: string;
};

const FORMAT = 15;
const PREVIOUS_GTIDS = 35;
/** Enough but for a server with very many origins, of which more is read. */
const HEAD_BYTES = 4_096;
const FINGERPRINT_LENGTH = 12;

/** Null: the file has none yet. Errors: UnavailableError AP_VERB_FAILED where it is encrypted or no binary log. */
export async function readHead(path: string): Promise<BinlogHead | null> {
  await using file = await open(path, "r");
  const bytes = new Reader(file, HEAD_BYTES);
  await requirePlain(path, bytes);
  const format = await eventAt(bytes, MAGIC.length);
  if (format === null || format.readUInt8(4) !== FORMAT) return null;
  const previous = await eventAt(bytes, MAGIC.length + format.length);
  if (previous === null || previous.readUInt8(4) !== PREVIOUS_GTIDS) return null;
  const all = Buffer.concat([MAGIC, notInUse(format), previous]);
  return {
    bytes: all,
    previous: gtidsOf(previous.subarray(HEADER_BYTES)),
    fingerprint: createHash("sha256").update(all).digest("hex").slice(0, FINGERPRINT_LENGTH),
  };
}

async function eventAt(bytes: Reader, at: number): Promise<Buffer | null> {
  const header = await bytes.at(at, HEADER_BYTES);
  if (header === null) return null;
  const event = await bytes.at(at, header.readUInt32LE(9));
  // A copy: the reader's memory is its own.
  return event === null ? null : Buffer.from(event);
}

/**
 * libs/mysql/gtids: how many origins, then each with its uuid, its tag where the format knows tags (the highest byte is
 * 1, and the number stands in the six in the middle), and its intervals, whose ends are not included.
 */
function gtidsOf(body: Buffer): GtidSet {
  const tagged = body.readUInt8(7) === 1;
  const origins = tagged ? body.readUIntLE(1, 6) : Number(body.readBigUInt64LE(0));
  const parts: string[] = [];
  let at = 8;
  for (let i = 0; i < origins; i++) {
    let name = uuidText(body.subarray(at, at + 16));
    at += 16;
    if (tagged) {
      const text = new Numbers(body.subarray(at));
      const tag = text.text(Number(text.next()));
      at += text.read;
      if (tag !== "") name += `:${tag}`;
    }
    const intervals = Number(body.readBigUInt64LE(at));
    at += 8;
    for (let n = 0; n < intervals; n++, at += 16) {
      const [first, end] = [body.readBigUInt64LE(at), body.readBigUInt64LE(at + 8)];
      parts.push(`${name}:${first}-${end - 1n}`);
    }
  }
  return gtidSet(parts.join(","));
}
