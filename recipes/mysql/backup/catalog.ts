// The catalogue is the store: what it lists is read, checked and put together here, newest first. A manifest that cannot
// be believed is shown with the reason; it takes none of the others down.
import {
  AutopilotError,
  RefusedError,
  type ObjectInfo,
  type ObjectStore,
} from "../../../src/index.ts";
import { backupsPrefix, dataKey, holdKey, manifestKey } from "../core/backup/layout.ts";
import type { CatalogEntry, Manifest, Verdict } from "../core/backup/manifest.ts";
import { isClaim, parseHold, parseManifest, parseVerdict } from "./manifest.ts";

/** Small objects that are asked for at the same time. */
const AT_ONCE = 8;
/** Of one backup: the newest. */
const VERDICTS_MAX = 5;

export type Catalog = {
  readonly clusterId: string;
  /** Whole as far as a list can tell: the manifest is right, and its data is there, as long as it says. */
  readonly entries: readonly CatalogEntry[];
  /** Listed by a manifest, and not to be restored. */
  readonly damaged: readonly Damaged[];
  /** Without a manifest: being written, or left by who was killed. */
  readonly unlisted: readonly Unlisted[];
};

export type Damaged = { readonly id: string; readonly code: string; readonly why: string };

export type Unlisted = {
  readonly id: string;
  readonly keys: readonly string[];
  /** By the store's clock, of the newest of them, ms since 1970. */
  readonly modifiedAt: number;
};

type Objects = readonly ObjectInfo[];

export async function readCatalog(store: ObjectStore, clusterId: string): Promise<Catalog> {
  const byId = await listBackups(store, clusterId);
  const entries: CatalogEntry[] = [];
  const damaged: Damaged[] = [];
  const unlisted: Unlisted[] = [];
  await eachOf([...byId], async ([id, objects]) => {
    try {
      const entry = await entryOf(store, { clusterId, id, objects });
      if (entry === null) unlisted.push(unlistedOf(id, objects));
      else entries.push(entry);
    } catch (error) {
      if (!(error instanceof AutopilotError) || !error.code.startsWith("AP_BACKUP_")) throw error;
      damaged.push({ id, code: error.code, why: error.message });
    }
  });
  const byName = (a: { id: string }, b: { id: string }): number => (a.id < b.id ? 1 : -1);
  const byTime = ({ manifest: a }: CatalogEntry, { manifest: b }: CatalogEntry): number =>
    a.finishedAt === b.finishedAt ? byName(a, b) : a.finishedAt < b.finishedAt ? 1 : -1;
  return {
    clusterId,
    entries: entries.toSorted(byTime),
    damaged: damaged.toSorted(byName),
    unlisted: unlisted.toSorted(byName),
  };
}

/** Errors: RefusedError AP_BACKUP_UNKNOWN, and what is wrong with it. */
export async function readEntry(
  store: ObjectStore,
  clusterId: string,
  id: string,
): Promise<CatalogEntry> {
  const objects = (await listBackups(store, clusterId, id)).get(id) ?? [];
  const entry = await entryOf(store, { clusterId, id, objects });
  if (entry !== null) return entry;
  throw new RefusedError("AP_BACKUP_UNKNOWN", `${store.name}: there is no backup ${id}`);
}

/** The objects of each id, from all pages. */
export async function listBackups(
  store: ObjectStore,
  clusterId: string,
  only = "",
): Promise<ReadonlyMap<string, Objects>> {
  const prefix = backupsPrefix(clusterId);
  const byId = new Map<string, ObjectInfo[]>();
  for (let after: string | null | undefined; after !== null;) {
    const below = only === "" ? prefix : `${prefix}${only}/`;
    const page = await store.list(below, after === undefined ? {} : { after });
    for (const object of page.items) {
      const id = object.key.slice(prefix.length).split("/")[0] ?? "";
      const known = byId.get(id);
      if (known === undefined) byId.set(id, [object]);
      else known.push(object);
    }
    after = page.next;
  }
  return byId;
}

function unlistedOf(id: string, objects: Objects): Unlisted {
  const modifiedAt = Math.max(...objects.map((object) => object.modifiedAt));
  return { id, keys: objects.map(({ key }) => key), modifiedAt };
}

type Place = { readonly clusterId: string; readonly id: string; readonly objects: Objects };

/** Null: it has no manifest. */
async function entryOf(
  store: ObjectStore,
  { clusterId, id, objects }: Place,
): Promise<CatalogEntry | null> {
  const has = (key: string): boolean => objects.some((object) => object.key === key);
  const key = manifestKey(clusterId, id);
  const text = has(key) ? await textAt(store, key) : null;
  if (text === null || isClaim(text)) return null;
  const manifest = parseManifest(text, clusterId, id);
  requireData(manifest, objects);
  const hold = holdKey(clusterId, id);
  const why = has(hold) ? await textAt(store, hold) : null;
  return {
    manifest,
    verdicts: await verdictsOf(store, objects),
    hold: why === null ? null : reasonIn(why, hold),
  };
}

/** Whatever stands in it: it is there, and so the backup stays. */
function reasonIn(text: string, key: string): string {
  try {
    return parseHold(text, key).why;
  } catch (error) {
    if (!(error instanceof AutopilotError)) throw error;
    return `for a reason that cannot be read: ${error.message}`;
  }
}

function requireData({ id, cluster, data }: Manifest, objects: Objects): void {
  const there = objects.find(({ key }) => key === dataKey(cluster.id, id));
  if (there?.bytes === data.bytes) return;
  const found = there === undefined ? "it is not there" : `${there.bytes} bytes are there`;
  throw new RefusedError("AP_BACKUP_DAMAGED", `${data.key}: of ${data.bytes} bytes ${found}`);
}

async function verdictsOf(store: ObjectStore, objects: Objects): Promise<readonly Verdict[]> {
  // They are named by their times.
  const keys = objects.map(({ key }) => key).filter((key) => key.includes("/verdicts/"));
  const newest = keys.toSorted().toReversed().slice(0, VERDICTS_MAX);
  const verdicts: Verdict[] = [];
  for (const key of newest) {
    const text = await textAt(store, key);
    const verdict = text === null ? null : verdictIn(text, key);
    if (verdict !== null) verdicts.push(verdict);
  }
  return verdicts;
}

/** One that cannot be read says nothing: neither that the backup is good, nor that it is bad. */
function verdictIn(text: string, key: string): Verdict | null {
  try {
    return parseVerdict(text, key);
  } catch (error) {
    if (!(error instanceof AutopilotError)) throw error;
    return null;
  }
}

async function textAt(store: ObjectStore, key: string): Promise<string | null> {
  return (await store.get(key))?.body.toString() ?? null;
}

async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  // All take from the same queue.
  const worker = async (): Promise<void> => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
