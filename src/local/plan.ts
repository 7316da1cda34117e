// What `up` is going to run: an existing cluster of the directory, continued, or a new one as the options ask.
// An option that contradicts the existing cluster is refused: changing it under the data would surprise somebody.
import { resolve } from "node:path";
import { UsageError } from "../errors.ts";
import { parseAddress } from "../objects/address.ts";
import type { Cluster } from "./cluster-file.ts";
import { anyFreePort, isFree } from "./ports.ts";

export type UpOptions = {
  readonly dir: string;
  readonly nodes?: number;
  readonly basePort?: number;
  /** Of the embedded Consul. */
  readonly dnsPort?: number;
  /** "embedded", or the URL of a Consul or an etcd. */
  readonly consul?: string;
  readonly cluster?: string;
  readonly recipe?: string;
  /** Object store of the backups: an address, a directory, or "none". Default: DIR/objects. */
  readonly objects?: string;
  /** Object store that a new cluster's data comes from. */
  readonly restoreFrom?: string;
};

const NODES = 3;
const BASE_PORT = 3307;
// Ten ports each, and they have to stay below the range that the kernel hands out.
const MOST_NODES = 50;

/** The cluster to run, from what the directory has (or null) and what was asked. Errors: UsageError. */
export async function planCluster(
  existing: Cluster | null,
  options: UpOptions,
  defaultRecipe: string,
): Promise<Cluster> {
  const asked = options.nodes ?? existing?.nodes.length ?? NODES;
  if (!Number.isInteger(asked) || asked < 1 || asked > MOST_NODES)
    throw new UsageError("AP_USAGE", `--nodes: expected 1 to ${MOST_NODES}`);
  if (existing === null) return newCluster(options, asked, options.recipe ?? defaultRecipe);
  refuseContradictions(existing, options);
  if (asked < existing.nodes.length) {
    const why = `--nodes ${asked}: the cluster in ${options.dir} has ${existing.nodes.length} nodes`;
    throw new UsageError("AP_USAGE", why, { hint: "a node with data is not removed by a number" });
  }
  const objects = options.objects === undefined ? {} : { objects: storeOf(options.objects) };
  let cluster: Cluster = { ...existing, ...objects };
  while (cluster.nodes.length < asked) cluster = withNode(cluster, null);
  return cluster;
}

/** The cluster with one more node; a null name is made from the recipe's. Errors: UsageError when the name is taken. */
export function withNode(cluster: Cluster, name: string | null): Cluster {
  const index = Math.max(-1, ...cluster.nodes.map((node) => node.index)) + 1;
  const called = name ?? `${cluster.recipe}-${index + 1}`;
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(called))
    throw new UsageError("AP_USAGE", `${called}: expected small letters, digits and dashes`);
  if (cluster.nodes.some((node) => node.name === called))
    throw new UsageError("AP_USAGE", `there is a node ${called} already`);
  return { ...cluster, nodes: [...cluster.nodes, { name: called, index }] };
}

async function newCluster(options: UpOptions, nodes: number, recipe: string): Promise<Cluster> {
  const basePort = options.basePort ?? BASE_PORT;
  const last = basePort + 10 * nodes;
  if (!Number.isInteger(basePort) || basePort < 1024 || last > 65_535)
    throw new UsageError(
      "AP_USAGE",
      "--base-port: expected 1024 to 65535, with room for all nodes",
    );
  const embedded = options.consul === undefined || options.consul === "embedded";
  if (!embedded && options.dnsPort !== undefined)
    throw new UsageError("AP_USAGE", "--dns-port: only the embedded Consul answers DNS here");
  const consul = embedded
    ? {
        embedded,
        url: `http://127.0.0.1:${await portAt(basePort + 9)}`,
        dnsPort: options.dnsPort ?? (await portAt(basePort + 8)),
      }
    : { embedded, url: options.consul };
  const name = options.cluster ?? recipe;
  const { restoreFrom } = options;
  let cluster: Cluster = {
    name,
    recipe,
    basePort,
    consul,
    nodes: [],
    objects: storeOf(options.objects ?? storeBelow(options.dir)),
    ...(restoreFrom === undefined ? {} : { restoreFrom: addressOf(restoreFrom) }),
    upPid: null,
  };
  while (cluster.nodes.length < nodes) cluster = withNode(cluster, null);
  return cluster;
}

/** The store of a local cluster that names no other. */
export function storeBelow(dir: string): string {
  return resolve(dir, "objects");
}

function storeOf(text: string): string | null {
  return text === "none" ? null : addressOf(text);
}

/** Said now, not by each node: whether it is an address at all. A directory is meant from here. */
function addressOf(text: string): string {
  parseAddress(text, process.env);
  return text.includes("://") ? text : resolve(text);
}

/** Among the first node's ten ports, so that one range holds all; kept in cluster.json from then on. */
async function portAt(wanted: number): Promise<number> {
  return (await isFree(wanted)) ? wanted : anyFreePort();
}

function refuseContradictions(existing: Cluster, options: UpOptions): void {
  const restoreFrom = options.restoreFrom && addressOf(options.restoreFrom);
  const consul = existing.consul.embedded ? "embedded" : existing.consul.url;
  const pairs = [
    ["--base-port", options.basePort, existing.basePort],
    ["--consul", options.consul, consul],
    ["--dns-port", options.dnsPort, existing.consul.dnsPort],
    ["--cluster", options.cluster, existing.name],
    ["--recipe", options.recipe, existing.recipe],
    ["--restore-from", restoreFrom, existing.restoreFrom ?? "nothing"],
  ] as const;
  for (const [flag, asked, has] of pairs) {
    if (asked === undefined || asked === has) continue;
    const why = `${flag} ${asked}: the cluster in ${options.dir} was made with ${has}`;
    throw new UsageError("AP_USAGE", why, { hint: `leave ${flag} away, or give another --dir` });
  }
}
