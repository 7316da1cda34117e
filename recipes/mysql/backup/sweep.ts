// What killed writers left: uploads that nobody finishes, objects below a prefix that never got its manifest. Only age
// tells them from a backup under way, so a writer that is slower still must be noticed: the manifest's place is taken
// before anything is deleted, and whoever comes to write it finds that he is too late.
import { AutopilotError, invariant, sweepUploads, type ObjectStore } from "../../../src/index.ts";
import { backupsPrefix, manifestKey } from "../core/backup/layout.ts";
import { readCatalog, type Unlisted } from "./catalog.ts";
import { claimText } from "./manifest.ts";

const HOUR_MS = 3_600_000;
/** Longer than any backup takes: the default deadline is half of it. */
export const GARBAGE_AFTER_MS = 24 * HOUR_MS;

export type Swept = { readonly uploads: number; readonly prefixes: readonly string[] };

/** `now`: the wall clock. `olderThanMs`: at least an hour, and more than the deadline of a backup. */
export async function sweepGarbage(
  store: ObjectStore,
  clusterId: string,
  { now, olderThanMs = GARBAGE_AFTER_MS }: { readonly now: number; readonly olderThanMs?: number },
): Promise<Swept> {
  invariant(olderThanMs >= HOUR_MS, "AP_BUG_INVARIANT", "sweep: a backup under way is in danger");
  const prefix = backupsPrefix(clusterId);
  const uploads = await sweepUploads(store, { prefix, olderThanMs, now });
  const { unlisted } = await readCatalog(store, clusterId);
  const swept: string[] = [];
  for (const one of unlisted)
    if (now - one.modifiedAt > olderThanMs && (await sweepOne(store, clusterId, one)))
      swept.push(one.id);
  return { uploads: uploads.length, prefixes: swept };
}

/** False: it became a backup meanwhile. */
async function sweepOne(
  store: ObjectStore,
  clusterId: string,
  { id, keys }: Unlisted,
): Promise<boolean> {
  const manifest = manifestKey(clusterId, id);
  // Taken by a sweep that was killed: it is finished here.
  if (!keys.includes(manifest))
    try {
      await store.put(manifest, claimText(), { ifNoneMatch: true });
    } catch (error) {
      if (!(error instanceof AutopilotError) || error.code !== "AP_OBJECTS_CONFLICT") throw error;
      return false;
    }
  await store.delete(keys.filter((key) => key !== manifest));
  await store.delete([manifest]);
  return true;
}
