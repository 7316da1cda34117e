// Looking into the disk store: objects, lists, what is unfinished.
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { compareKeys, RESERVED } from "../core/object-key.ts";
import { ConflictError, UnavailableError } from "../errors.ts";
import type { ObjectInfo, ObjectStore, UnfinishedUpload } from "../ports.ts";
import { checkKey, checkSmall } from "./check-key.ts";
import { diskFailure } from "./disk-failure.ts";
import { absent, infoAt, infoOfFile, openObject, requireDir, uploadsDir } from "./disk-files.ts";
import { readRanges, type FetchRange, type Reading } from "./read.ts";

const PAGE = 1000;

/** The file stays open: an object that is replaced meanwhile is read to its old end. */
export async function* read(
  dir: string,
  key: string,
  how: Omit<Reading, "info" | "name">,
): ReturnType<ObjectStore["read"]> {
  checkKey(key);
  const what = `${dir}: read ${key}`;
  const failed = (error: unknown): never => {
    throw diskFailure(error, what, false);
  };
  await using file = await openObject(dir, key).catch(failed);
  if (file === null) {
    await requireDir(dir);
    throw new ConflictError("AP_OBJECTS_MISSING", `${dir}: there is no ${key}`);
  }
  const info = await infoOfFile(file, key).catch(failed);
  const fetch: FetchRange = async (offset, into, got) => {
    const { bytesRead } = await file.read(into, 0, into.length, offset).catch(failed);
    got(bytesRead);
    if (bytesRead === into.length) return;
    throw new UnavailableError("AP_OBJECTS_TRUNCATED", `${what}: it ends at ${offset + bytesRead}`);
  };
  yield* readRanges({ name: dir, info, ...how }, fetch);
}

/** All keys are looked at for each page: a directory holds thousands of objects, not millions. */
export async function list(
  dir: string,
  prefix: string,
  { after, limit = PAGE }: { readonly after?: string; readonly limit?: number } = {},
): ReturnType<ObjectStore["list"]> {
  await requireDir(dir);
  const keys: string[] = [];
  await collect(dir, "", prefix, keys);
  const wanted = keys
    .filter((key) => after === undefined || compareKeys(key, after) > 0)
    .toSorted(compareKeys);
  const page = wanted.slice(0, Math.min(limit, PAGE));
  const found: ObjectInfo[] = [];
  for (const key of page) {
    const info = await infoAt(dir, key);
    // Deleted since.
    if (info !== null) found.push(info);
  }
  return { items: found, next: page.length < wanted.length ? (page.at(-1) ?? null) : null };
}

/** Keys below `folder` ("" or ending in a slash) that begin with `prefix`. */
async function collect(dir: string, folder: string, prefix: string, into: string[]): Promise<void> {
  const entries = await readdir(join(dir, folder), { withFileTypes: true }).catch(absent);
  for (const entry of entries ?? []) {
    const key = folder + entry.name;
    if (key === RESERVED) continue;
    if (entry.isDirectory()) {
      const below = `${key}/`;
      if (below.startsWith(prefix) || prefix.startsWith(below))
        await collect(dir, below, prefix, into);
    } else if (entry.isFile() && key.startsWith(prefix)) into.push(key);
  }
}

export async function getWhole(dir: string, key: string): ReturnType<ObjectStore["get"]> {
  await using file = await openObject(dir, key);
  if (file === null) {
    await requireDir(dir);
    return null;
  }
  const info = await infoOfFile(file, key);
  checkSmall(key, info.bytes);
  return { info, body: await file.readFile() };
}

export async function unfinished(
  dir: string,
  prefix: string,
): Promise<readonly UnfinishedUpload[]> {
  await requireDir(dir);
  const names = (await readdir(uploadsDir(dir)).catch(absent)) ?? [];
  const found: UnfinishedUpload[] = [];
  for (const id of names.filter((name) => /^[0-9a-f-]{36}$/.test(name)).toSorted()) {
    const path = join(uploadsDir(dir), id);
    const startedAt = (await stat(path).catch(absent))?.mtimeMs;
    if (startedAt === undefined) continue; // finished since
    // Without a name it was killed in its first moment: only a sweep of everything may have it.
    const key = (await readFile(join(path, "key"), "utf8").catch(absent)) ?? "";
    if (key.startsWith(prefix)) found.push({ key, id, startedAt });
  }
  return found;
}
