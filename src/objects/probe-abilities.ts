// What the probe tries, each ability by itself: null says that the store has it, a text says what was seen instead.
import { setTimeout as sleep } from "node:timers/promises";
import { AutopilotError } from "../errors.ts";
import type { ObjectStore, Page } from "../ports.ts";
import type { OpenedStore } from "./open.ts";
import { sha256Of } from "./read.ts";

export type Ability = {
  readonly name: string;
  readonly needed: boolean;
  run(place: Place): Promise<string | null>;
};

export type Place = {
  readonly store: OpenedStore;
  /** A folder of this ability's own, ending in a slash. */
  readonly folder: string;
  /** How many objects are listed. */
  readonly listed: number;
  readonly partBytes: number;
};

/** Requests that are under way at the same time. */
const AT_ONCE = 16;
/** How long an upload that was begun may take to be listed: 5 s. */
const LOOKS = 50;
const LOOK_EACH_MS = 100;
/** So many writers want the same key: one may have it. */
const RIVALS = 8;
/** Every character that some encoding on the way treats in its own way. */
const ODD_NAMES = [
  "a b",
  "a+b",
  "a%20b",
  "ä ö",
  "日本",
  "a&b=c;d",
  "#?'\"()",
  "~!@$^*",
  "back\\slash",
  "<x>",
];

export const ABILITIES: readonly Ability[] = [
  { name: "put, and get what was put", needed: true, run: putGet },
  { name: "read after overwrite", needed: true, run: overwrite },
  { name: "special characters in keys", needed: true, run: oddKeys },
  { name: "listing, by pages, in order", needed: true, run: listing },
  { name: "delete, many at once", needed: true, run: deleting },
  { name: "multipart upload", needed: true, run: multipart },
  { name: "reading by ranges", needed: true, run: ranges },
  { name: "abort of an upload", needed: true, run: aborting },
  { name: "unfinished uploads are listed", needed: true, run: unfinished },
  { name: "If-None-Match on put", needed: true, run: noneMatch },
  { name: "If-Match on put", needed: true, run: match },
  { name: "If-None-Match on complete", needed: false, run: noneMatchOnComplete },
  { name: "refuses damaged bodies", needed: false, run: damage },
];

const text = (value: string): Buffer => Buffer.from(value);

async function reads(store: ObjectStore, key: string, expected: string): Promise<string | null> {
  const there = await store.get(key);
  if (there === null) return `${key} is not there after it was put`;
  return there.body.equals(text(expected)) ? null : `${key} has other bytes than were put`;
}

async function putGet({ store, folder }: Place): Promise<string | null> {
  await store.put(`${folder}empty`, text(""));
  await store.put(`${folder}small`, text("small"));
  const head = await store.head(`${folder}small`);
  if (head?.bytes !== 5) return "its length is not the one that was put";
  if ((await store.get(`${folder}none`)) !== null) return "finds what was never put";
  return (await reads(store, `${folder}empty`, "")) ?? reads(store, `${folder}small`, "small");
}

async function overwrite({ store, folder }: Place): Promise<string | null> {
  for (let i = 0; i < 10; i++) {
    await store.put(`${folder}x`, text(`version ${i}`));
    const wrong = await reads(store, `${folder}x`, `version ${i}`);
    if (wrong !== null) return wrong;
  }
  return null;
}

async function oddKeys({ store, folder }: Place): Promise<string | null> {
  for (const name of ODD_NAMES) await store.put(folder + name, text(name));
  for (const name of ODD_NAMES) {
    const wrong = await reads(store, folder + name, name);
    if (wrong !== null) return wrong;
  }
  const names = (await listAll(store, folder, {})).map((key) => key.slice(folder.length));
  const lost = ODD_NAMES.filter((name) => !names.includes(name));
  if (lost.length > 0) return `a list lacks ${lost.join(", ")}`;
  await store.delete(ODD_NAMES.map((name) => folder + name));
  return (await store.list(folder)).items.length === 0 ? null : "not all could be deleted";
}

async function listing({ store, folder, listed: count }: Place): Promise<string | null> {
  const keys = Array.from({ length: count }, (_, i) => `${folder}${String(i).padStart(6, "0")}`);
  await atOnce(keys, (key) => store.put(key, text("")));
  // Fewer than a page of the store's own are asked for in shorter ones, so that there are some.
  const limit = count > 1000 ? 1000 : Math.ceil(count / 3);
  const seen = await listAll(store, folder, { limit, most: count });
  const same = seen.length === keys.length && seen.every((key, i) => key === keys[i]);
  return same ? null : `${seen.length} of ${keys.length} keys were listed, or not in order`;
}

/** The keys of all pages, until there are more than `most`: a store may give the same page for ever. */
async function listAll(
  store: ObjectStore,
  folder: string,
  { limit = 1000, most = 1000 }: { readonly limit?: number; readonly most?: number },
): Promise<readonly string[]> {
  const seen: string[] = [];
  let after: string | null = null;
  do {
    const begin = after === null ? {} : { after };
    const page: Page<{ readonly key: string }> = await store.list(folder, { limit, ...begin });
    seen.push(...page.items.map(({ key }) => key));
    after = page.next;
  } while (after !== null && seen.length <= most);
  return seen;
}

async function deleting({ store, folder }: Place): Promise<string | null> {
  const keys = Array.from({ length: 3 }, (_, i) => `${folder}${i}`);
  for (const key of keys) await store.put(key, text(""));
  await store.delete([...keys, `${folder}none`]);
  return (await store.list(folder)).items.length === 0 ? null : "deleted objects are still listed";
}

/** Two parts, and a little. */
function content(partBytes: number): Buffer {
  const bytes = Buffer.alloc(2 * partBytes + 1234);
  for (let i = 0; i < bytes.length; i += 512) bytes.writeUInt32LE(i, i);
  return bytes;
}

async function multipart({ store, folder, partBytes }: Place): Promise<string | null> {
  const key = `${folder}x`;
  await using whole = store.upload(key, { partBytes });
  await whole.write(content(partBytes));
  if ((await store.head(key)) !== null) return "an unfinished upload is visible";
  await whole.finish();
  return readsBack(store, key, content(partBytes));
}

async function readsBack(store: ObjectStore, key: string, written: Buffer): Promise<string | null> {
  const pieces: Buffer[] = [];
  for await (const piece of store.read(key)) pieces.push(piece);
  return sha256Of(Buffer.concat(pieces)) === sha256Of(written)
    ? null
    : "other bytes came back than were written";
}

async function ranges({ store, folder }: Place): Promise<string | null> {
  const key = `${folder}x`;
  const each = 256 * 1024;
  const bytes = content(2 * each).subarray(0, 4 * each + 1);
  await store.put(key, bytes);
  const cuts = [0, 1, 2, 3].map((i) => bytes.subarray(i * each, (i + 1) * each));
  const parts = [...cuts, bytes.subarray(4 * each)].map((part) => ({
    bytes: part.length,
    sha256: sha256Of(part),
  }));
  let read = 0;
  for await (const piece of store.read(key, { parts })) read += piece.length;
  return read === bytes.length ? null : `${read} bytes of ${bytes.length} came back`;
}

async function aborting({ store, folder, partBytes }: Place): Promise<string | null> {
  const key = `${folder}x`;
  await using half = store.upload(key, { partBytes });
  await half.write(content(partBytes));
  await half.abort();
  if ((await store.head(key)) !== null) return "an aborted upload is visible";
  const left = (await store.unfinished(folder)).items.length;
  return left === 0 ? null : "an aborted upload is still listed as unfinished";
}

async function unfinished({ store, folder, partBytes }: Place): Promise<string | null> {
  const key = `${folder}x`;
  await using half = store.upload(key, { partBytes });
  await half.write(content(partBytes));
  // Its parts are on their way when they are taken: it begins a moment later.
  for (let looks = 0; looks < LOOKS; looks++) {
    if ((await store.unfinished(folder)).items.some((it) => it.key === key)) return null;
    await sleep(LOOK_EACH_MS);
  }
  return "an upload that was begun is not listed";
}

async function noneMatch({ store, folder }: Place): Promise<string | null> {
  const key = `${folder}x`;
  await store.put(key, text("first"), { ifNoneMatch: true });
  if (!(await refuses(() => store.put(key, text("second"), { ifNoneMatch: true }))))
    return "ignored: an object that exists was overwritten";
  const wrong = await reads(store, key, "first");
  if (wrong !== null) return wrong;
  const race = (i: number) => store.put(`${folder}race`, text(`${i}`), { ifNoneMatch: true });
  return oneWins(await contest(race));
}

async function match({ store, folder }: Place): Promise<string | null> {
  const key = `${folder}x`;
  const { etag } = await store.put(key, text("first"));
  const next = await store.put(key, text("second"), { ifMatch: etag });
  if (!(await refuses(() => store.put(key, text("third"), { ifMatch: etag }))))
    return "ignored: an object was overwritten that is not the one that was expected";
  if (!(await refuses(() => store.put(`${folder}none`, text("x"), { ifMatch: etag }))))
    return "ignored: an object was made where one was expected";
  const race = (i: number) => store.put(key, text(`${i}`), { ifMatch: next.etag });
  return oneWins(await contest(race));
}

async function noneMatchOnComplete({ store, folder, partBytes }: Place): Promise<string | null> {
  const key = `${folder}x`;
  await store.put(key, text("first"));
  await using late = store.upload(key, { partBytes });
  await late.write(content(partBytes));
  return (await refuses(() => late.finish({ ifNoneMatch: true })))
    ? null
    : "ignored: before completing, autopilot looks whether the object is there";
}

async function damage({ store: { damagedPut }, folder }: Place): Promise<string | null> {
  if (damagedPut === undefined) return "not asked";
  try {
    await damagedPut(`${folder}x`);
  } catch (error) {
    if (error instanceof AutopilotError && error.code === "AP_OBJECTS_DAMAGED") return null;
    throw error;
  }
  return "bytes that do not match their signed SHA-256 were taken: use https";
}

async function refuses(write: () => Promise<unknown>): Promise<boolean> {
  try {
    await write();
    return false;
  } catch (error) {
    if (error instanceof AutopilotError && error.code === "AP_OBJECTS_CONFLICT") return true;
    throw error;
  }
}

/** How many of the rivals were let through. */
async function contest(write: (rival: number) => Promise<unknown>): Promise<number> {
  const rivals = Array.from({ length: RIVALS }, (_, i) => i);
  const refused = await Promise.all(rivals.map((i) => refuses(() => write(i))));
  return refused.filter((it) => !it).length;
}

function oneWins(winners: number): string | null {
  return winners === 1 ? null : `of ${RIVALS} writers at the same time ${winners} won`;
}

async function atOnce<T>(items: readonly T[], act: (item: T) => Promise<unknown>): Promise<void> {
  const rest = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (const item of rest) await act(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
