// The cluster as an operator sees it, from Consul alone: one row per node name, its newest uuid (`autopilot status`).
// Works without any agent: what a node last said, and how long ago, is still the truth about what is known.
import {
  UnavailableError,
  type ClusterView,
  type Directory,
  type Kv,
  type NodeIdentity,
} from "../../src/index.ts";
import type { Loss } from "./core/answers.ts";
import type { Intent, LeaderValue, NodeRecord, State } from "./core/observation.ts";
import { keysOf, parseIntent, parseLeader, parseNode, parseState } from "./keys.ts";

export type Row = NodeRecord & {
  readonly voter: boolean;
  /** Alerts that its agent told when it was asked itself. */
  readonly heard?: readonly string[];
};

export type Seen = {
  readonly state: State | null;
  readonly leader: LeaderValue | null;
  readonly locked: boolean;
  readonly paused: boolean;
  readonly rows: readonly Row[];
  readonly intents: readonly Intent[];
  readonly history: readonly HistoryEntry[];
};

export type HistoryEntry = {
  readonly epoch: number;
  readonly node: string;
  readonly at: string;
  /** Absent in an epoch that nobody opened. */
  readonly why?: string;
  /** Of an epoch that an operator's wish began (§7a). */
  readonly verb?: "adopt" | "failover";
  readonly by?: string;
  readonly loss?: Loss | null;
};

/** One line of the cluster's history. */
export function historySays(h: HistoryEntry): string {
  const opened = h.why === undefined ? [] : [`${h.node} became primary: ${h.why}`];
  if (h.verb === undefined) return opened.join("") || `${h.node} became primary`;
  const loss = h.loss == null ? "" : `, DATA LOSS ACCEPTED (epoch ${h.loss.epoch})`;
  return [...opened, `${h.verb} by ${h.by ?? "operator"} on ${h.node}${loss}`].join("; ");
}

/** Name of every node's service in Consul. */
export const SERVICE = "mysql";

export function serviceId(cluster: string, node: string): string {
  // Names have dashes, never dots: with dashes two clusters could give the same id.
  return `${SERVICE}.${cluster}.${node}`;
}

export function serviceMeta(node: NodeIdentity): Readonly<Record<string, string>> {
  return { cluster: node.cluster, node: node.name, agentPort: String(node.httpPort) };
}

/** Epochs that `status` shows. */
const HISTORY_SHOWN = 10;

export async function see(
  { kv, directory }: { readonly kv: Kv; readonly directory: Directory },
  cluster: string,
): Promise<Seen> {
  const keys = keysOf(cluster);
  const [alive, leader, state, pause, nodes, intents, history] = await Promise.all([
    directory.instances(SERVICE, { passing: true }),
    kv.get(keys.leader),
    kv.get(keys.state),
    kv.get(keys.pause),
    kv.list(keys.nodes),
    kv.list(keys.intents),
    kv.list(keys.histories),
  ]);
  const value = state === null ? null : parseState(state.value);
  const records = nodes.flatMap((entry) => parseNode(entry.value) ?? []);
  return {
    state: value,
    leader: leader === null ? null : parseLeader(leader.value),
    locked: leader?.session != null,
    paused: pause !== null,
    rows: newest(records).map((r) => ({
      ...(alive.some((i) => i.id === serviceId(cluster, r.node)) ? r : silenced(r)),
      voter: value?.voters.includes(r.uuid) ?? false,
    })),
    intents: intents.flatMap((entry) => parseIntent(entry.value) ?? []),
    history: history
      .map((entry) => JSON.parse(entry.value) as HistoryEntry)
      .toSorted((a, b) => b.epoch - a.epoch)
      .slice(0, HISTORY_SHOWN),
  };
}

/** For verbs: a cluster that nobody has founded and no node has reported to is a mistyped name. */
export async function requireCluster(kv: Kv, cluster: string): Promise<void> {
  const keys = keysOf(cluster);
  if ((await kv.get(keys.initialize)) !== null || (await kv.list(keys.nodes)).length > 0) return;
  const names = (await kv.list("autopilot/")).map((entry) => entry.key.split("/")[1] ?? "");
  const known = [...new Set(names)].filter((name) => name !== cluster).join(", ");
  throw new UnavailableError("AP_CLUSTER_NOT_FOUND", `no cluster ${cluster} at this Consul`, {
    hint: known === "" ? "it knows none" : `it knows: ${known}; name one with --cluster`,
  });
}

/** A node whose check does not pass: its record is what it said last, not what it is. */
function silenced(record: NodeRecord): NodeRecord {
  const role = record.stopped ? "stopped" : "unknown";
  const says = record.stopped ? "stopped" : `no sign of life; last: ${record.says}`;
  return {
    ...record,
    role,
    state: role,
    says,
    pid: 0,
    mysqldPid: null,
    writable: false,
    lagSeconds: null,
  };
}

/** One record per node name: of two uuids the one that the later agent wrote. */
function newest(records: readonly NodeRecord[]): readonly NodeRecord[] {
  const byName = new Map<string, NodeRecord>();
  for (const record of records) {
    const before = byName.get(record.node);
    if (
      before === undefined ||
      before.since < record.since ||
      (before.since === record.since && record.serverId > before.serverId)
    )
      byName.set(record.node, record);
  }
  return [...byName.values()].toSorted((a, b) =>
    a.node.localeCompare(b.node, "en", { numeric: true }),
  );
}

export function primaryOf(seen: Pick<Seen, "state" | "rows">): Row | null {
  const { state } = seen;
  if (state?.phase !== "open") return null;
  return seen.rows.find((r) => r.uuid === state.primary && r.role === "primary") ?? null;
}

/** What `up` waits for: writable, and V and k as wished for this many nodes (defaults of the policy). */
export async function view(
  consul: { readonly kv: Kv; readonly directory: Directory },
  cluster: string,
  wished: { readonly nodes: number },
): Promise<ClusterView> {
  const seen = await see(consul, cluster);
  const primary = primaryOf(seen);
  const writable = primary?.writable === true && seen.locked;
  const voters = Math.min(wished.nodes, 3);
  const acks = Math.min(1, voters - 1);
  const { state } = seen;
  const serving = seen.rows.filter(
    (r) => r.role === "primary" || (r.role === "replica" && r.lagSeconds !== null),
  );
  const ready =
    writable &&
    state !== null &&
    state.voters.length >= voters &&
    state.acks >= acks &&
    serving.length >= wished.nodes;
  return {
    writable,
    ready,
    nodes: seen.rows.map((r) => ({
      name: r.node,
      host: r.host,
      port: r.port,
      pid: r.pid === 0 ? null : r.pid,
      serverPid: r.mysqldPid,
      controlSocket: r.controlSocket,
      role: r.role,
      state: r.state,
      says: r.says,
    })),
  };
}
