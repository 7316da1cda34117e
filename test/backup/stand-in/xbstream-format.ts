// The stream of XtraBackup as its source has it (xbstream.h): chunks of "XBSTCK01", flags, type, path, and for a payload its
// length, its place in the file, a CRC32 and the bytes. A file ends with a chunk of type E. mbstream reads it, too.
import { crc32 } from "node:zlib";

const MAGIC = Buffer.from("XBSTCK01");

export function payloadChunk(path: string, offset: number, bytes: Buffer): Buffer {
  const head = Buffer.alloc(20);
  head.writeBigUInt64LE(BigInt(bytes.length), 0);
  head.writeBigUInt64LE(BigInt(offset), 8);
  head.writeUInt32LE(crc32(bytes), 16);
  return Buffer.concat([prefix("P", path), head, bytes]);
}

export function endChunk(path: string): Buffer {
  return prefix("E", path);
}

function prefix(type: string, path: string): Buffer {
  const name = Buffer.from(path);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(name.length);
  return Buffer.concat([MAGIC, Buffer.from([0]), Buffer.from(type), length, name]);
}

export type Chunk = {
  readonly path: string;
  readonly payload: { offset: number; bytes: Buffer } | null;
};

/** Calls back for each chunk. Errors: Error for anything that is no whole chunk; the end between two is no error. */
export async function readChunks(
  stream: AsyncIterable<Buffer>,
  each: (chunk: Chunk) => void,
): Promise<void> {
  let held: Buffer = Buffer.alloc(0);
  for await (const piece of stream) {
    held = Buffer.concat([held, piece]);
    for (;;) {
      const read = readChunk(held);
      if (read === null) break;
      each(read.chunk);
      held = held.subarray(read.length);
    }
  }
  if (held.length > 0) throw new Error("xb_stream_read_chunk(): unexpected end of stream");
}

function readChunk(bytes: Buffer): { chunk: Chunk; length: number } | null {
  if (bytes.length < 14) return null;
  if (!bytes.subarray(0, 8).equals(MAGIC))
    throw new Error("xb_stream_read_chunk(): wrong chunk magic at offset 0x0");
  const nameEnd = 14 + bytes.readUInt32LE(10);
  if (bytes.length < nameEnd) return null;
  const path = bytes.toString("utf8", 14, nameEnd);
  if (bytes.toString("latin1", 9, 10) === "E")
    return { chunk: { path, payload: null }, length: nameEnd };
  if (bytes.length < nameEnd + 20) return null;
  const length = Number(bytes.readBigUInt64LE(nameEnd));
  const begin = nameEnd + 20;
  if (bytes.length < begin + length) return null;
  const payload = bytes.subarray(begin, begin + length);
  if (crc32(payload) !== bytes.readUInt32LE(nameEnd + 16))
    throw new Error("xb_stream_read_chunk(): invalid checksum at offset 0x0");
  const offset = Number(bytes.readBigUInt64LE(nameEnd + 8));
  return { chunk: { path, payload: { offset, bytes: payload } }, length: begin + length };
}
