// Retention takes effect: a backup ceases to exist when its manifest is deleted, then its data goes. A crash in between
// leaves garbage, which the sweep finds; never a backup without its data, nor an incremental without its base.
import { AutopilotError, RefusedError, type ObjectStore } from "../../../src/index.ts";
import { holdKey, manifestKey } from "../core/backup/layout.ts";
import type { CatalogEntry } from "../core/backup/manifest.ts";
import {
  planRetention,
  retentionProblem,
  type Retention,
  type RetentionPlan,
} from "../core/backup/retention.ts";
import { listBackups, readEntry, type Catalog } from "./catalog.ts";
import { isClaim, parseManifest, textOf } from "./manifest.ts";

/** Errors: RefusedError AP_BACKUP_RETENTION, AP_BACKUP_NEWER. `now`: ms since 1970. */
export function planPrune(
  { entries, damaged }: Pick<Catalog, "entries" | "damaged">,
  retention: Retention,
  now: number,
): RetentionPlan {
  const problem = retentionProblem(retention);
  if (problem !== null) throw new RefusedError("AP_BACKUP_RETENTION", `the retention: ${problem}`);
  // What a newer version wrote may rest on any of these.
  const newer = damaged.find(({ code }) => code === "AP_BACKUP_NEWER");
  if (newer !== undefined) throw new RefusedError("AP_BACKUP_NEWER", newer.why);
  const backups = entries.map(({ manifest, verdicts, hold }) => ({
    id: manifest.id,
    at: Date.parse(manifest.finishedAt),
    parent: manifest.parent,
    verified: verdicts[0]?.ok ?? null,
    hold,
  }));
  return planRetention(backups, retention, now);
}

export type Pruned = {
  readonly removed: readonly string[];
  /** Kept against the plan: held, or rested upon, since it was made. */
  readonly spared: readonly { readonly id: string; readonly why: string }[];
};

/** Errors: AP_OBJECTS_*; what was deleted by then stays deleted. */
export async function prune(
  store: ObjectStore,
  catalog: Catalog,
  plan: RetentionPlan,
): Promise<Pruned> {
  const listed = catalog.entries.map(({ manifest }) => manifest.id);
  const known = new Set([...listed, ...catalog.damaged.map(({ id }) => id)]);
  const removed: string[] = [];
  const spared: { id: string; why: string }[] = [];
  for (const id of plan.remove) {
    const entry = catalog.entries.find(({ manifest }) => manifest.id === id);
    if (entry === undefined) continue;
    const why = await removeOne(store, entry, known);
    if (why === null) removed.push(id);
    else spared.push({ id, why });
  }
  return { removed, spared };
}

/** Why it was spared, or null. */
async function removeOne(
  store: ObjectStore,
  { manifest }: CatalogEntry,
  known: ReadonlySet<string>,
): Promise<string | null> {
  const { id, cluster } = manifest;
  const key = manifestKey(cluster.id, id);
  if ((await store.head(holdKey(cluster.id, id))) !== null) return "it is held by now";
  await store.delete([key]);
  // Who writes an incremental looks whether its base is there after its own manifest is; here it is the other way
  // round: one of the two sees the other. So with a hold.
  const child = await newChildOf(store, manifest, known);
  const held = (await store.head(holdKey(cluster.id, id))) !== null;
  if (child !== null || held) {
    await store.put(key, textOf(manifest), { ifNoneMatch: true });
    return held ? "it is held by now" : `${child} rests on it by now`;
  }
  const left = (await listBackups(store, cluster.id, id)).get(id) ?? [];
  await store.delete(left.map((object) => object.key));
  return null;
}

async function newChildOf(
  store: ObjectStore,
  { id, cluster }: CatalogEntry["manifest"],
  known: ReadonlySet<string>,
): Promise<string | null> {
  for (const [other, objects] of await listBackups(store, cluster.id)) {
    const key = manifestKey(cluster.id, other);
    if (known.has(other) || !objects.some((object) => object.key === key)) continue;
    const text = (await store.get(key))?.body.toString();
    if (text === undefined || isClaim(text)) continue;
    try {
      if (parseManifest(text, cluster.id, other).parent === id) return other;
    } catch (error) {
      if (!(error instanceof AutopilotError)) throw error;
      // Who cannot be read may rest on anything.
      return other;
    }
  }
  return null;
}

export type HoldRequest = {
  readonly clusterId: string;
  readonly id: string;
  readonly why: string;
  readonly by: string;
  /** Wall clock, ms since 1970. */
  readonly now: number;
};

/** From now on nothing deletes it. Errors: RefusedError AP_BACKUP_UNKNOWN, also when it goes away meanwhile. */
export async function hold(
  store: ObjectStore,
  { clusterId, id, why, by, now }: HoldRequest,
): Promise<void> {
  await readEntry(store, clusterId, id);
  const key = holdKey(clusterId, id);
  const at = new Date(now).toISOString();
  await store.put(key, textOf({ format: 1, backup: id, why, at, by }));
  if ((await store.head(manifestKey(clusterId, id))) !== null) return;
  await store.delete([key]);
  throw new RefusedError("AP_BACKUP_UNKNOWN", `backup ${id} was deleted meanwhile`);
}

/** False: it was not held. Errors: RefusedError AP_BACKUP_UNKNOWN. */
export async function release(store: ObjectStore, clusterId: string, id: string): Promise<boolean> {
  const { hold: held } = await readEntry(store, clusterId, id);
  await store.delete([holdKey(clusterId, id)]);
  return held !== null;
}
