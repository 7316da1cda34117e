// Writes DIR/nodes/NAME/node.json5: the configuration of one node of a local cluster. Made anew at each start from
// cluster.json, so that there is one source of truth; it names files of secrets, never a secret.
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { AnyRecipe } from "../config/load-recipe.ts";
import type { LocalNode } from "../recipe.ts";
import { etcdEndpoints, isEtcdUrl } from "../store.ts";
import type { Cluster } from "./cluster-file.ts";
import { controlSocketOf } from "./socket-path.ts";

const HEAD =
  "// Written by `autopilot up` at each start; changes are lost. Node of a local cluster.\n";

export function configFileOf(node: LocalNode): string {
  return join(node.dir, "node.json5");
}

export function logFileOf(node: LocalNode): string {
  return join(node.dir, "agent.log");
}

export function writeNodeConfig(
  dir: string,
  cluster: Cluster,
  node: LocalNode,
  recipe: AnyRecipe,
): void {
  mkdirSync(node.dir, { recursive: true, mode: 0o750 });
  const { objects = null, restoreFrom = null } = cluster;
  const all = { dir: resolve(dir), nodes: cluster.nodes.length, objects, restoreFrom };
  const config = {
    recipe: recipe.name,
    node: {
      name: node.name,
      cluster: cluster.name,
      dir: resolve(node.dir),
      host: node.host,
      bind: "127.0.0.1",
      httpPort: node.basePort + 2,
      controlSocket: controlSocketOf(node.dir),
    },
    ...(isEtcdUrl(node.consul)
      ? { etcd: { endpoints: etcdEndpoints(node.consul) } }
      : { consul: { address: node.consul } }),
    [recipe.name]: recipe.localConfig(node, all),
  };
  writeFileSync(configFileOf(node), `${HEAD}${JSON.stringify(config, null, 2)}\n`);
}
