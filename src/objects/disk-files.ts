// Files of the disk store: made whole or not at all, named by the bytes that they hold or by what only they can be, and
// on the disk before anybody is told.
//
//   DIR/backups/7/data            an object
//   DIR/.uploads/<id>/key         the name of what is being written; its time is when that began
//   DIR/.uploads/<id>/data        its bytes so far
//   DIR/.uploads/<hash>.lock      who replaces or deletes that key now (local/toolchain/lock.ts)
import { createHash } from "node:crypto";
import { link, mkdir, open, rename, rm, rmdir, stat, unlink } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { RESERVED } from "../core/object-key.ts";
import { ConfigError, ConflictError } from "../errors.ts";
import { takeLock } from "../local/toolchain/lock.ts";
import type { ObjectInfo, WriteCondition } from "../ports.ts";

/**
 * A file system's times are as coarse as the kernel's tick, so small files, which alone are replaced on condition, are
 * named by what they hold.
 */
const HASHED_BYTES_MAX = 64 * 1024;
/** A folder that another one empties and removes at the same time is made again. */
const MKDIR_TRIES = 10;

export function uploadsDir(dir: string): string {
  return join(dir, RESERVED);
}

/** A directory that is not there must not look like an empty store: it may be a mount that is missing. */
export async function requireDir(dir: string): Promise<void> {
  const facts = await stat(dir).catch(absent);
  if (facts?.isDirectory() === true) return;
  throw new ConfigError("AP_OBJECTS_BUCKET", `${dir}: there is no such directory`);
}

/** Nor is it made. */
export async function makeUploadsDir(dir: string): Promise<string> {
  await requireDir(dir);
  const path = uploadsDir(dir);
  await mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  });
  return path;
}

export async function infoOfFile(file: FileHandle, key: string): Promise<ObjectInfo> {
  const { ino, size, mtimeNs, mtimeMs } = await file.stat({ bigint: true });
  const bytes = Number(size);
  const modifiedAt = Number(mtimeMs);
  if (bytes > HASHED_BYTES_MAX)
    return { key, bytes, etag: `${ino}-${bytes}-${mtimeNs}`, modifiedAt };
  const content = Buffer.alloc(bytes);
  await file.read(content, 0, bytes, 0);
  const etag = createHash("sha256").update(content).digest("hex").slice(0, 32);
  return { key, bytes, etag, modifiedAt };
}

/** The object of a key, or null. */
export async function infoAt(dir: string, key: string): Promise<ObjectInfo | null> {
  await using file = await openObject(dir, key);
  // Awaited here, or the file would be closed before.
  return file === null ? null : await infoOfFile(file, key);
}

/** For reading; null: no such object. */
export async function openObject(dir: string, key: string): Promise<FileHandle | null> {
  const path = join(dir, key);
  const facts = await stat(path).catch(absent);
  if (facts?.isFile() !== true) return null;
  return open(path, "r").catch(absent);
}

/** Makes the finished file `from` the object. Its bytes are on the disk already. */
export async function appear(
  dir: string,
  key: string,
  from: string,
  condition: WriteCondition | null,
): Promise<void> {
  const to = join(dir, key);
  if (condition !== null && "ifNoneMatch" in condition) {
    await inFolder(dir, to, () => link(from, to)).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      throw new ConflictError("AP_OBJECTS_CONFLICT", `${dir}: ${key} is there already`);
    });
  } else {
    await using _lock = await lockKey(dir, key);
    if (condition !== null) await requireMatch(dir, key, condition.ifMatch);
    await inFolder(dir, to, () => rename(from, to));
  }
  await syncDir(dirname(to));
}

async function requireMatch(dir: string, key: string, etag: string): Promise<void> {
  const there = await infoAt(dir, key);
  if (there?.etag === etag) return;
  const why = `${dir}: ${key} ${there === null ? "is not there" : "is another one by now"}`;
  throw new ConflictError("AP_OBJECTS_CONFLICT", why);
}

/** Removes an object, if it is there, and the folders that nothing is in any more. */
export async function disappear(dir: string, key: string): Promise<void> {
  const path = join(dir, key);
  {
    await using _lock = await lockKey(dir, key);
    const facts = await stat(path).catch(absent);
    if (facts?.isFile() !== true) return;
    await unlink(path);
    await syncDir(dirname(path));
  }
  for (let folder = dirname(path); folder.length > dir.length; folder = dirname(folder)) {
    const gone = await rmdir(folder).then(
      () => true,
      () => false, // something is in it, or another removed it
    );
    if (!gone) return;
  }
}

async function inFolder(dir: string, path: string, act: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    const made = await mkdir(dirname(path), { recursive: true });
    if (made !== undefined) await syncUp(dirname(path), dir);
    try {
      return await act();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || tries === MKDIR_TRIES) throw error;
    }
  }
}

async function syncUp(folder: string, top: string): Promise<void> {
  for (let at = folder; at.length >= top.length; at = dirname(at)) await syncDir(at);
}

export async function syncDir(path: string): Promise<void> {
  await using folder = await open(path, "r");
  await folder.sync();
}

/** Conditions are judged and names are taken under it; creating on condition needs none: a link is atomic. */
async function lockKey(dir: string, key: string): Promise<AsyncDisposable> {
  const name = createHash("sha256").update(key).digest("hex").slice(0, 32);
  const lock = join(await makeUploadsDir(dir), `${name}.lock`);
  return takeLock(lock, new AbortController().signal, () => {});
}

export async function removeUpload(dir: string, id: string): Promise<void> {
  await rm(join(uploadsDir(dir), id), { recursive: true, force: true });
}

export function absent(error: unknown): null {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "ENOENT" || code === "ENOTDIR") return null;
  throw error;
}
