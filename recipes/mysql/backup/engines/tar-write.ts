// A directory at rest as a tar stream: names in order, a mebibyte at a time, nothing kept in memory but that.
import { lstat, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { END, headerOf, padding, type TarEntry } from "./tar-header.ts";

const READ_BYTES = 1024 * 1024;
const MARKED_BYTES = 512;

/** Entries of everything below `dir`, directories before what is in them. Errors: Error for what is no file. */
export async function entriesOf(dir: string): Promise<readonly TarEntry[]> {
  const found: TarEntry[] = [];
  const walk = async (below: string): Promise<void> => {
    for (const name of (await readdir(join(dir, below))).toSorted()) {
      const path = below === "" ? name : `${below}/${name}`;
      const facts = await lstat(join(dir, path));
      const [mode, mtime] = [facts.mode & 0o7777, facts.mtimeMs / 1000];
      if (facts.isDirectory()) {
        found.push({ path, kind: "directory", bytes: 0, mode, mtime, sparse: false });
        await walk(path);
      } else if (facts.isFile()) {
        const sparse = facts.blocks * MARKED_BYTES < facts.size;
        found.push({ path, kind: "file", bytes: facts.size, mode, mtime, sparse });
      } else throw new Error(`${path} is neither a file nor a directory`);
    }
  };
  await walk("");
  return found;
}

/** Of the whole archive, for an estimate. */
export function archiveBytes(entries: readonly TarEntry[]): number {
  return entries.reduce(
    (sum, entry) => sum + headerOf(entry).length + entry.bytes + padding(entry.bytes).length,
    END.length,
  );
}

/** The archive's bytes. Errors: of the file system; Error for a file that changed its size meanwhile. */
export async function* packed(dir: string, entries: readonly TarEntry[]): AsyncGenerator<Buffer> {
  for (const entry of entries) {
    yield headerOf(entry);
    if (entry.kind === "directory") continue;
    yield* contentOf(join(dir, entry.path), entry);
    const pad = padding(entry.bytes);
    if (pad.length > 0) yield pad;
  }
  yield END;
}

async function* contentOf(file: string, entry: TarEntry): AsyncGenerator<Buffer> {
  await using handle = await open(file, "r");
  for (let left = entry.bytes; left > 0;) {
    // A new one each time: the reader at the other end keeps it as long as it likes.
    const piece = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, left));
    const { bytesRead } = await handle.read(piece, 0, piece.length, entry.bytes - left);
    if (bytesRead === 0) throw new Error(`${entry.path} became shorter while it was read`);
    left -= bytesRead;
    yield bytesRead === piece.length ? piece : piece.subarray(0, bytesRead);
  }
  if ((await handle.stat()).size !== entry.bytes)
    throw new Error(`${entry.path} changed its size while it was read`);
}
