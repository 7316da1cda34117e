// Unpacks a tar stream into a directory, and trusts nothing of it: no path leads outside, nothing is overwritten, no link
// is followed or made, and an archive without its end is an error. What had holes gets them again.
import { mkdir, open, utimes, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { addAbortSignal, type Readable } from "node:stream";
import { BLOCK, padding, readHeader, readPax, type TarEntry } from "./tar-header.ts";

/** What a file system keeps holes by. */
const HOLE = 4096;
const ZEROS = Buffer.alloc(HOLE);

/** Reads the stream to its end. Errors: Error that says what is wrong and where; of the file system; an AbortError. */
export async function unpackTar(
  stream: Readable,
  into: string,
  signal: AbortSignal,
): Promise<void> {
  const source = readerOf(addAbortSignal(signal, stream));
  const files = new Set<string>();
  for (;;) {
    const entry = await nextEntry(source);
    if (entry === null) break;
    if (files.has(entry.path)) throw new Error(`tar: ${entry.path} comes twice`);
    files.add(entry.path);
    const path = join(into, entry.path);
    if (entry.kind === "directory") await mkdir(path, { mode: entry.mode | 0o700 });
    else await writeFile(source, path, entry);
  }
  for (;;) {
    const rest = await source.some(BLOCK);
    if (rest === null) return;
    if (rest.some((byte) => byte !== 0)) throw new Error("tar: something follows its end");
  }
}

async function nextEntry(source: Source): Promise<TarEntry | null> {
  let pax: ReadonlyMap<string, string> | null = null;
  for (;;) {
    try {
      const header = readHeader(await source.exactly(BLOCK), pax);
      if (header.kind === "entry") return header.entry;
      if (header.kind === "end") {
        if (pax !== null) throw new Error("an extended header without an entry");
        if ((await source.exactly(BLOCK)).some((byte) => byte !== 0))
          throw new Error("half an end");
        return null;
      }
      pax = readPax(await source.exactly(header.bytes));
      await source.exactly(padding(header.bytes).length);
    } catch (cause) {
      throw new Error(`tar: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    }
  }
}

async function writeFile(source: Source, path: string, entry: TarEntry): Promise<void> {
  await using file = await open(path, "wx", entry.mode | 0o600);
  let at = 0;
  while (at < entry.bytes) {
    const piece = await source.some(entry.bytes - at);
    if (piece === null) throw new Error(`tar: it ends within ${entry.path}`);
    if (entry.sparse) await writeAround(file, piece, at);
    else await writeAll(file, piece, at);
    at += piece.length;
  }
  // Also where a hole is the last of it.
  if (entry.sparse) await file.truncate(entry.bytes);
  await source.exactly(padding(entry.bytes).length);
  await utimes(path, entry.mtime, entry.mtime);
}

async function writeAll(file: FileHandle, piece: Buffer, position: number): Promise<void> {
  for (let done = 0; done < piece.length;) {
    const { bytesWritten } = await file.write(piece, done, piece.length - done, position + done);
    done += bytesWritten;
  }
}

/** Writes all but the blocks of zeros, where `position` counts blocks from the file's begin. */
async function writeAround(file: FileHandle, piece: Buffer, position: number): Promise<void> {
  let begin = 0;
  for (let at = 0; at < piece.length;) {
    const length = Math.min(HOLE - ((position + at) % HOLE), piece.length - at);
    const zeros = piece.compare(ZEROS, 0, length, at, at + length) === 0;
    if (zeros && begin < at) await writeAll(file, piece.subarray(begin, at), position + begin);
    at += length;
    if (zeros) begin = at;
  }
  if (begin < piece.length) await writeAll(file, piece.subarray(begin), position + begin);
}

type Source = {
  /** Null: the stream is over. At most so many bytes, at least one. */
  readonly some: (most: number) => Promise<Buffer | null>;
  readonly exactly: (bytes: number) => Promise<Buffer>;
};

function readerOf(stream: Readable): Source {
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let rest: Buffer = Buffer.alloc(0);
  const some = async (most: number): Promise<Buffer | null> => {
    while (rest.length === 0) {
      const next = await chunks.next();
      if (next.done === true) return null;
      rest = next.value;
    }
    const piece = rest.subarray(0, most);
    rest = rest.subarray(piece.length);
    return piece;
  };
  const exactly = async (bytes: number): Promise<Buffer> => {
    const pieces: Buffer[] = [];
    for (let left = bytes; left > 0;) {
      const piece = await some(left);
      if (piece === null) throw new Error("it ends before its end");
      pieces.push(piece);
      left -= piece.length;
    }
    return pieces.length === 1 ? (pieces[0] ?? Buffer.alloc(0)) : Buffer.concat(pieces);
  };
  return { some, exactly };
}
