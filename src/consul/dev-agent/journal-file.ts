// The format of the keys' file: a log of after-images, one JSON line each with a CRC in front. Reading stops at the
// first line that is not whole: a torn tail, that no client was told of. Writing whole means temp file, fsync, rename,
// fsync of the directory.
import { open, readFile, rename, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import type { Entry } from "./state.ts";

/** What the file holds: the keys, and an index that was never exceeded. */
export type Saved = {
  readonly entries: readonly Entry[];
  readonly index: number;
  /** Bytes at the end that were not a whole line. */
  readonly tornBytes: number;
};

/** One line: changed keys (null: deleted), or an index up to which any may have been given. */
export type Line =
  | { readonly k: readonly (readonly [string, Printed | null])[] }
  | { readonly r: number };

/** value (base64), flags, createIndex, modifyIndex, lockIndex, session */
type Printed = readonly [string, number, number, number, number, string | null];

/** Reads what the file holds; a missing file holds nothing. */
export async function readSaved(file: string): Promise<Saved> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return { entries: [], index: 0, tornBytes: 0 };
  }
  const keys = new Map<string, Entry>();
  let index = 0;
  let start = 0;
  while (start < bytes.length) {
    const end = bytes.indexOf("\n", start);
    const line = end < 0 ? null : parseLine(bytes.subarray(start, end));
    if (line === null) break;
    start = end + 1;
    if ("r" in line) {
      index = Math.max(index, line.r);
      continue;
    }
    for (const [key, printed] of line.k) {
      if (printed === null) keys.delete(key);
      else keys.set(key, parseEntry(key, printed));
      index = Math.max(index, printed?.[3] ?? 0);
    }
  }
  return { entries: [...keys.values()], index, tornBytes: bytes.length - start };
}

function parseLine(bytes: Buffer): Line | null {
  const text = bytes.subarray(9);
  if (bytes.subarray(0, 8).toString() !== crcOf(text)) return null;
  return JSON.parse(text.toString()) as Line;
}

function crcOf(text: Buffer | string): string {
  return crc32(text).toString(16).padStart(8, "0");
}

export function printLine(line: Line): string {
  const text = JSON.stringify(line);
  return `${crcOf(text)} ${text}\n`;
}

function parseEntry(key: string, printed: Printed): Entry {
  const [value, flags, createIndex, modifyIndex, lockIndex, session] = printed;
  const bytes = Buffer.from(value, "base64");
  return { key, value: bytes, flags, createIndex, modifyIndex, lockIndex, session };
}

export function printEntry(entry: Entry): Printed {
  const { value, flags, createIndex, modifyIndex, lockIndex, session } = entry;
  return [value.toString("base64"), flags, createIndex, modifyIndex, lockIndex, session];
}

/** A file of exactly these keys, in place under its name when the promise resolves. */
export async function writeWhole(
  file: string,
  entries: Iterable<Entry>,
  reserved: number,
): Promise<{ handle: FileHandle; bytes: number }> {
  const lines = [printLine({ r: reserved })];
  for (const entry of entries) lines.push(printLine({ k: [[entry.key, printEntry(entry)]] }));
  const text = lines.join("");
  const handle = await open(`${file}.new`, "w", 0o600);
  await handle.write(text);
  await handle.sync();
  await rename(`${file}.new`, file);
  const directory = await open(dirname(file), "r");
  await directory.sync();
  await directory.close();
  return { handle, bytes: Buffer.byteLength(text) };
}
