// Which cluster a verb is about: the local one of --dir (default: .autopilot, if there is one), or the one that --consul,
// CONSUL_HTTP_ADDR or ETCDCTL_ENDPOINTS leads to.
import { resolve } from "node:path";
import { DEFAULT_RECIPE, loadRecipe, type AnyRecipe } from "../config/load-recipe.ts";
import { UnavailableError } from "../errors.ts";
import { readCluster, type Cluster } from "../local/cluster-file.ts";
import { holderOf } from "../local/lock.ts";
import { etcdStore, storeAt, type StoreConfig } from "../store.ts";
import type { Globals } from "./program.ts";

export type Local = { readonly dir: string; readonly cluster: Cluster };

export type Found = {
  /** Null: found through Consul alone. */
  readonly local: Local | null;
  readonly name: string;
  readonly recipe: AnyRecipe;
  readonly store: StoreConfig;
};

const DEFAULT_DIR = ".autopilot";

/** Errors: UnavailableError AP_CLUSTER_NOT_FOUND; ConfigError for a cluster.json or variables that cannot be read. */
export async function findCluster(globals: Globals, env: NodeJS.ProcessEnv): Promise<Found> {
  const local = localOf(globals);
  const recipe = await loadRecipe(local?.cluster.recipe ?? DEFAULT_RECIPE);
  if (local !== null) {
    const { dir, cluster } = local;
    const there = cluster.consul.embedded && holderOf(dir) === null;
    if (there) throw notFound(`the cluster in ${dir} does not run`);
    return { local, name: cluster.name, recipe, store: storeAt(cluster.consul.url, env) };
  }
  const store = storeFrom(globals, env);
  if (store === null) throw notFound(`no cluster in ${globals.dir ?? DEFAULT_DIR}`);
  return { local: null, name: globals.cluster ?? recipe.name, recipe, store };
}

/** Null: nobody says where. */
function storeFrom(globals: Globals, env: NodeJS.ProcessEnv): StoreConfig | null {
  const address = globals.consul ?? env["CONSUL_HTTP_ADDR"];
  if (address !== undefined) return storeAt(address, env);
  return env["ETCDCTL_ENDPOINTS"] === undefined ? null : etcdStore({}, env);
}

/** The local cluster, whether it runs or not. Errors: UnavailableError AP_CLUSTER_NOT_FOUND. */
export function findLocal(globals: Globals): Local {
  const local = localOf(globals);
  if (local === null) throw notFound(`no cluster in ${globals.dir ?? DEFAULT_DIR}`);
  return local;
}

function localOf(globals: Globals): Local | null {
  // Whoever names a Consul and no directory means that Consul.
  if (globals.consul !== undefined && globals.dir === undefined) return null;
  const dir = resolve(globals.dir ?? DEFAULT_DIR);
  const cluster = readCluster(dir);
  if (cluster === null && globals.dir !== undefined) throw notFound(`no cluster in ${globals.dir}`);
  return cluster === null ? null : { dir, cluster };
}

function notFound(why: string): UnavailableError {
  return new UnavailableError("AP_CLUSTER_NOT_FOUND", why);
}
