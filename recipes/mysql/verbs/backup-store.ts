// The store and the cluster in it that a verb is about.
import { UsageError, openStore, type ObjectStore, type StoreCall } from "../../../src/index.ts";
import { findClusterIn } from "../backup/cluster-file.ts";
import type { ClusterFile } from "../backup/manifest.ts";

/** Somebody waits: a store that is away is asked for seconds, not for minutes. */
const TRIES = 4;

/** Errors: UsageError AP_BACKUP_STORE; AP_BACKUP_CLUSTER; those of the store. */
export async function withStore(
  call: StoreCall,
  use: (store: ObjectStore, cluster: ClusterFile) => Promise<number>,
): Promise<number> {
  const { env, clock, options, named } = call;
  const given = options["store"] ?? env["AUTOPILOT_MYSQL_BACKUP_TO"];
  if (typeof given !== "string" || given === "")
    throw new UsageError("AP_BACKUP_STORE", "which object store?");
  await using store = await openStore(given, { env, clock, tries: TRIES });
  return await use(store, await findClusterIn(store, named));
}

/** Errors: UsageError AP_USAGE. */
export function idOf({ args: [word, id] }: StoreCall): string {
  if (id === undefined) throw new UsageError("AP_USAGE", `backup ${word}: which one?`);
  return id;
}
