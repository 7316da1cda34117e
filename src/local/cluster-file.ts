// DIR/cluster.json: what a local cluster is made of. Written by `autopilot up` only; the verbs find the cluster by it.
// No secrets.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { ConfigError, messageOf } from "../errors.ts";
import type { LocalNode } from "../recipe.ts";

const schema = z.object({
  name: z.string(),
  recipe: z.string(),
  basePort: z.int(),
  consul: z.object({
    embedded: z.boolean(),
    url: z.string(),
    /** Where the embedded one answers DNS. */
    dnsPort: z.int().optional(),
  }),
  nodes: z.array(
    z.object({
      name: z.string(),
      index: z.int(),
      /** Loopback address that the others reach it at, where it is another one than it listens on: drills cut between. */
      host: z.string().optional(),
      /** Consul as this node alone reaches it. */
      consul: z.string().optional(),
    }),
  ),
  /** Object store of its backups; null: it has none. */
  objects: z.string().nullable().optional(),
  /** Object store that its first data comes from. */
  restoreFrom: z.string().optional(),
  /** The `up` that last ran it. */
  upPid: z.int().nullable(),
});

export type Cluster = Readonly<z.infer<typeof schema>>;

/** Null: there is no cluster in this directory. Errors: ConfigError AP_CONFIG_UNREADABLE. */
export function readCluster(dir: string): Cluster | null {
  const path = join(dir, "cluster.json");
  try {
    return schema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new ConfigError("AP_CONFIG_UNREADABLE", `${path}: ${messageOf(error)}`);
  }
}

/** In one step: a reader sees the old one or the new one. */
export function writeCluster(dir: string, cluster: Cluster): void {
  const path = join(dir, "cluster.json");
  writeFileSync(`${path}.new`, `${JSON.stringify(cluster, null, 2)}\n`, { flush: true });
  renameSync(`${path}.new`, path);
}

export function nodeDir(dir: string, name: string): string {
  return join(dir, "nodes", name);
}

/** Node i has the ten ports from base + 10·i on: the server, its admin port, the agent's HTTP port. */
export function localNode(dir: string, cluster: Cluster, name: string): LocalNode | null {
  const node = cluster.nodes.find((one) => one.name === name);
  if (node === undefined) return null;
  const { index, host = "127.0.0.1", consul = cluster.consul.url } = node;
  const basePort = cluster.basePort + 10 * index;
  return { name, index, host, consul, dir: nodeDir(dir, name), basePort };
}

export function localNodes(dir: string, cluster: Cluster): readonly LocalNode[] {
  return cluster.nodes.flatMap(({ name }) => localNode(dir, cluster, name) ?? []);
}
