// Liveness: some time after everything healed there is one primary that takes writes, every node follows it, V and k are
// what the policy wishes, and nothing is busy.
import type { Cluster } from "./cluster.ts";
import { DEFAULTS, KEYS } from "./cluster.ts";
import type { Receiver } from "./sim-replication.ts";

/** Ticks per second of a node that rests: it looks at least every 1.5 s, and is woken by its own records and pulse. */
const RESTING_TICKS = 6;
const WRITES_WITHIN_MS = 3_000;
/** A candidate that gives up for want of a holder tries again within its back-off. */
const REFUSED_WITHIN_MS = 30_000;

/** (4): where a cluster may wait for a person, somebody says so. */
function silence({ nodes, judge }: Cluster): string | null {
  const open = nodes.some((n) => n.parts.machine.server?.readOnly === false);
  const running = nodes.filter((n) => n.runs && !n.removed);
  if (open || running.some((n) => n.says.includes("waiting for a person"))) return null;
  const says = running.map((n) => `${n.name}: ${n.says}`).join("; ");
  return `${judge.excuse}, and nobody says so: ${says}`;
}

/** Why no write is acknowledged although everything healed long ago; null: writes are, or need not be. */
export function noPrimary({ judge, world, clients, nodes }: Cluster): string | null {
  if (judge.excuse !== null || judge.wroteOutside) return null;
  const ms = Math.round(world.now - clients.lastOkAt);
  if (ms <= WRITES_WITHIN_MS) return null;
  return `no write for ${ms} ms: ${nodes.map((n) => `${n.name}: ${n.says}`).join("; ")}`;
}

/** Why the cluster is not at rest; null: it is. */
export function unrest(
  cluster: Cluster,
  ticksBefore: readonly number[],
  ms: number,
): string | null {
  const { judge, nodes, world, clients } = cluster;
  const { state, excuse } = judge;
  if (excuse !== null) return silence(cluster);
  // Two nodes that each hold what the other lacks: a person has to choose, and they say so (§4 step 5).
  if (judge.wroteOutside && nodes.some((n) => world.now - n.refusedAt < REFUSED_WITHIN_MS)) {
    judge.excuse = "a person's writes left sets that nobody holds together";
    return null;
  }
  if (state === null) return "no state in Consul";
  if (state.phase !== "open") return `no open primary: ${JSON.stringify(state)}`;
  const open = nodes.filter((n) => n.parts.machine.server?.readOnly === false);
  if (open.length !== 1) return `${open.map((n) => n.name).join(", ") || "nobody"} is open`;
  const primary = open[0]?.parts.machine.server ?? null;
  if (primary === null || primary.data.uuid !== state.primary)
    return `${open[0]?.name} is open, but not the published primary`;
  if (world.now - clients.lastOkAt > WRITES_WITHIN_MS)
    return `the last write was acknowledged ${Math.round(world.now - clients.lastOkAt)} ms ago`;
  const lacks = judge.lacking(primary);
  if (lacks !== null) return `the primary lacks ${lacks}`;
  const live = nodes.filter((n) => !n.removed);
  for (const node of live) {
    const { server } = node.parts.machine;
    if (!node.runs) return `${node.name} does not run`;
    if (server === null) return `${node.name} has no mysqld`;
    if (server === primary) continue;
    const { receiver }: { receiver: Receiver } = server;
    const follows: boolean = receiver.stream?.source === primary && receiver.sql;
    if (!follows)
      return `${node.name} does not follow the primary (io ${receiver.io}, errno ${receiver.ioErrno})`;
    const extra = server.data.executed.missingIn(primary.data.executed);
    const waits = [...primary.data.tail].some((t) => extra === `${t.uuid}:${t.n}`);
    if (extra !== null && !waits) return `${node.name} holds ${extra}, which the primary lacks`;
  }
  const claimed = cluster.consul
    .entries(KEYS.serverIds)
    .map(({ value }) => (JSON.parse(value) as { uuid: string }).uuid);
  const unclaimed = state.voters.find((v) => !claimed.includes(v));
  if (unclaimed !== undefined) return `voter ${unclaimed} has no server_id in Consul`;
  const { acks, voters } = { ...DEFAULTS, ...cluster.options.durability };
  const wishedV = Math.min(voters, live.length);
  if (state.voters.length !== wishedV) return `${state.voters.length} voters, ${wishedV} wished`;
  const wishedK = Math.min(acks, wishedV - 1);
  if (state.acks !== wishedK) return `k is ${state.acks}, ${wishedK} wished`;
  const busy = nodes.find(
    (n, at) => n.ticks - (ticksBefore[at] ?? 0) > (RESTING_TICKS * ms) / 1_000,
  );
  if (busy !== undefined) return `${busy.name} does not come to rest`;
  return null;
}
