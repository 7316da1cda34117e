// What a store says of the clusters in it: their names, and where they came from. Written once, by whoever stores first.
import { AutopilotError, RefusedError, type ObjectStore } from "../../../src/index.ts";
import { CLUSTERS, clusterKey } from "../core/backup/layout.ts";
import { parseClusterFile, textOf, type ClusterFile } from "./manifest.ts";

/** Makes the store say whose backups these are; what it says already stays. */
export async function introduceCluster(
  store: ObjectStore,
  cluster: Omit<ClusterFile, "format">,
): Promise<void> {
  const key = clusterKey(cluster.id);
  if ((await store.head(key)) !== null) return;
  try {
    await store.put(key, textOf({ format: 1, ...cluster }), { ifNoneMatch: true });
  } catch (error) {
    // Another node of it was there first.
    if (!(error instanceof AutopilotError) || error.code !== "AP_OBJECTS_CONFLICT") throw error;
  }
}

/** The clusters that the store knows, in the order of their ids: one small request for each. */
export async function listClusters(store: ObjectStore): Promise<readonly ClusterFile[]> {
  const found: ClusterFile[] = [];
  for (let after: string | null = ""; after !== null;) {
    const page = await store.list(CLUSTERS, { limit: 1, ...(after === "" ? {} : { after }) });
    const id = page.items[0]?.key.slice(CLUSTERS.length).split("/")[0];
    if (id === undefined || id === "") return found;
    found.push(await readCluster(store, id));
    // The character after the slash: everything of this one sorts before it.
    after = `${CLUSTERS}${id}0`;
  }
  return found;
}

async function readCluster(store: ObjectStore, id: string): Promise<ClusterFile> {
  const key = clusterKey(id);
  const there = await store.get(key);
  if (there !== null) return parseClusterFile(there.body.toString(), key);
  // Its backups say the same; they are readable without it.
  return { format: 1, id, name: "", since: new Date(0).toISOString(), restoredFrom: null };
}

/** By name or id; null: the only one. Errors: RefusedError AP_BACKUP_CLUSTER. */
export async function findClusterIn(
  store: ObjectStore,
  wanted: string | null,
): Promise<ClusterFile> {
  const all = await listClusters(store);
  const fits = all.filter(({ id, name }) => wanted === null || wanted === id || wanted === name);
  const [only] = fits;
  if (only !== undefined && fits.length === 1) return only;
  const reasons = all.map(({ id, name, since }) => `${name || "(no name)"} ${id}, since ${since}`);
  const why =
    all.length === 0
      ? "it holds no cluster's backups"
      : wanted === null
        ? `it holds backups of ${all.length} clusters`
        : fits.length === 0
          ? `it holds nothing of a cluster ${wanted}`
          : `${fits.length} clusters in it are called ${wanted}: give the id`;
  throw new RefusedError("AP_BACKUP_CLUSTER", `${store.name}: ${why}`, { reasons });
}
