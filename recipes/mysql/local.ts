// What `autopilot up` needs of this recipe: shared secrets, one node's configuration, what to try.
import { join } from "node:path";
import type { ClusterView, Kv, LocalCluster, LocalNode } from "../../src/index.ts";
import type { Intent } from "./core/observation.ts";
import { keysOf } from "./keys.ts";
import { requireCluster } from "./view.ts";
import { ensureSecrets, secretFiles } from "./mysqld/secrets.ts";

/** The cluster's passwords, made once below DIR/secrets. */
export async function prepareLocal(dir: string): Promise<void> {
  await ensureSecrets(join(dir, "secrets"));
}

export function localConfig(
  node: LocalNode,
  cluster: LocalCluster,
): Readonly<Record<string, unknown>> {
  return {
    port: node.basePort,
    adminPort: node.basePort + 1,
    // A local cluster is nobody else's: clients on this machine only.
    bind: "127.0.0.1",
    secrets: { ...secretFiles(join(cluster.dir, "secrets")) },
    ...(cluster.objects === null ? {} : { backup: { to: cluster.objects, jitter: "0s" } }),
    ...(cluster.restoreFrom === null ? {} : { recovery: { from: cluster.restoreFrom } }),
  };
}

/** Before the nodes start: a wish to stop from the run before must not stop this one. */
export async function beforeStart(kv: Kv, cluster: string): Promise<void> {
  await kv.commit([{ do: "delete", key: keysOf(cluster).intent("stop-cluster") }]);
}

export async function stopCluster(kv: Kv, cluster: string): Promise<void> {
  await requireCluster(kv, cluster);
  const wish: Intent = {
    id: "stop-cluster",
    verb: "stop-cluster",
    to: null,
    uuid: null,
    serverId: null,
    epoch: 0,
    ver: 0,
    by: process.env["USER"] ?? "operator",
    at: new Date().toISOString(),
    outcome: null,
  };
  await kv.commit([
    { do: "set", key: keysOf(cluster).intent(wish.id), value: JSON.stringify(wish) },
  ]);
}

export function hints(view: ClusterView): readonly string[] {
  const primary =
    view.nodes.find((n) => n.role === "primary")?.name ?? view.nodes[0]?.name ?? "mysql-1";
  return [
    `npx autopilot node kill ${primary}     # another takes over in about a second`,
    `npx autopilot node start ${primary}    # and it comes back`,
    "npx autopilot switchover            # hands over, loses nothing",
    "npx autopilot status --watch        # what every node says",
    "npx autopilot node add              # a fourth node",
    "npx autopilot dsn                   # mysql://… for your application",
  ];
}
