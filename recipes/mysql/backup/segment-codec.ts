// A segment's data on its way into the store and out of it: zstd, then age where there are recipients. In this process
// and not by the zstd program: segments are small and many, and starting one would cost more than its work.
import { open } from "node:fs/promises";
import { Readable } from "node:stream";
import { constants, createZstdCompress, createZstdDecompress } from "node:zlib";
import { RefusedError, messageOf, type ObjectStore } from "../../../src/index.ts";
import type { Segment } from "../core/backup/segment.ts";
import * as age from "./encrypt.ts";

const CHUNK_BYTES = 1_048_576;

export type Sealing = {
  readonly level: number;
  /** age1…, known to be such; []: not encrypted. */
  readonly recipients: readonly string[];
};

export async function* sealed(
  source: AsyncIterable<Uint8Array>,
  { level, recipients }: Sealing,
): AsyncGenerator<Uint8Array, void> {
  const zstd = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: level } });
  const input = Readable.from(source, { objectMode: false });
  input.on("error", (error) => zstd.destroy(error)).pipe(zstd);
  try {
    yield* recipients.length === 0 ? zstd : age.seal(zstd, recipients);
  } finally {
    input.destroy();
    zstd.destroy();
  }
}

/**
 * The binary log that a segment is, each part's hash found right before a byte of it is handed out. `identities` null:
 * none was given. Errors: RefusedError AP_BACKUP_IDENTITY, AP_BACKUP_DAMAGED, AP_OBJECTS_*; the signal's reason.
 */
export async function* unsealed(
  store: ObjectStore,
  { data, encryption, rawBytes }: Segment,
  how: { readonly identities: readonly string[] | null; readonly signal: AbortSignal },
): AsyncGenerator<Buffer, void> {
  const stored = store.read(data.key, { parts: data.parts, signal: how.signal });
  if (encryption !== null && how.identities === null) {
    const why = `the archive is encrypted for ${encryption.recipients.join(", ")}; no identity was given`;
    throw new RefusedError("AP_BACKUP_IDENTITY", why);
  }
  const plain = encryption === null ? stored : age.open(stored, how.identities ?? []);
  const input = Readable.from(plain, { objectMode: false });
  const zstd = createZstdDecompress();
  let cause: unknown = null;
  input.on("error", (error) => {
    cause = error;
    zstd.destroy(error);
  });
  input.pipe(zstd);
  let bytes = 0;
  try {
    for await (const chunk of zstd as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      yield chunk;
    }
  } catch (error) {
    if (cause !== null) throw cause;
    throw damaged(data.key, messageOf(error));
  } finally {
    input.destroy();
    zstd.destroy();
  }
  if (bytes !== rawBytes) throw damaged(data.key, `it has ${bytes} bytes instead of ${rawBytes}`);
}

function damaged(key: string, why: string): RefusedError {
  return new RefusedError("AP_BACKUP_DAMAGED", `${key}: ${why}`);
}

/** Bytes of a file in a few pieces. Errors: when it ends before. */
export async function* fileRange(
  path: string,
  from: number,
  to: number,
): AsyncGenerator<Buffer, void> {
  await using file = await open(path, "r");
  for (let at = from; at < to;) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, to - at));
    const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
    if (bytesRead === 0) throw new Error(`${path} became shorter while it was read`);
    yield chunk.subarray(0, bytesRead);
    at += bytesRead;
  }
}
