// What people ask of a cluster: wishes recorded in Consul (recipes/mysql/verbs), by way of an agent that works for them.
import type { Intent } from "../../recipes/mysql/core/observation.ts";
import { setKey } from "../../src/consul/dev-agent/keys.ts";
import { write } from "../../src/consul/dev-agent/state.ts";
import { KEYS, type Cluster } from "./cluster.ts";
import type { SimNode } from "./node.ts";
import { removeKeys } from "./sim-kv.ts";

/** Any verb that is recorded as an intent: a new one needs a step that calls this, and an entry in the schedule's mix. */
export function ask(
  cluster: Cluster,
  id: string,
  verb: Intent["verb"],
  to: string | null,
  more: Partial<Intent> = {},
): void {
  const intent: Intent = {
    id,
    verb,
    to,
    uuid: null,
    serverId: null,
    epoch: cluster.judge.state?.epoch ?? 0,
    ver: 0,
    by: "operator",
    at: "",
    outcome: null,
    ...more,
  };
  wish(cluster, KEYS.intent(id), JSON.stringify(intent));
}

export function switchover(cluster: Cluster, to: string | null): void {
  cluster.world.saw("switchover asked");
  ask(cluster, `switchover-${cluster.world.random.uuid()}`, "switchover", to);
}

/** `autopilot rebuild NODE`: about the datadir that it has now. */
export function rebuild(cluster: Cluster, node: SimNode): void {
  const { state } = cluster.judge;
  const uuid = node.parts.machine.data?.uuid;
  if (uuid === undefined || state === null) return;
  cluster.world.saw("rebuild ordered");
  const voter = state.voters.includes(uuid);
  ask(cluster, `rebuild-${uuid}`, "rebuild", node.name, {
    uuid,
    ver: state.ver,
    rebuild: { voter, kept: null },
  });
}

/** The cluster stops in order, and is started again after `ms`. */
export function stopCluster(cluster: Cluster, ms: number): void {
  const { world } = cluster;
  ask(cluster, "stop-cluster", "stop-cluster", null);
  // Whoever ends now is not started again at once.
  for (const node of cluster.nodes) node.wanted = false;
  world.after(ms, null, () => {
    if (cluster.nodes.some((node) => !node.runs)) world.saw("cluster stopped");
    unwish(cluster, KEYS.intent("stop-cluster"));
    for (const node of cluster.nodes) node.start();
  });
}

export function pauseCluster(cluster: Cluster, ms: number): void {
  cluster.world.saw("cluster paused");
  wish(cluster, KEYS.pause, "{}");
  cluster.world.after(ms, null, () => unwish(cluster, KEYS.pause));
}

function wish({ consul: it }: Cluster, key: string, text: string): void {
  const { state } = it;
  const value = Buffer.from(text);
  it.now(() =>
    write(state, (index) => setKey(state, index, { key, value, flags: 0, index: 0, session: "" })),
  );
}

export function unwish({ consul: it }: Cluster, key: string): void {
  it.now(() => removeKeys(it, key));
}
