// What a node is and says, from the observation and the decision alone: one role, one honest sentence.
import type { Action } from "./action.ts";
import { alertsOf } from "./alerts.ts";
import { diskFull } from "./candidate.ts";
import type { NodeRecord, Observation, Role } from "./observation.ts";
import { isOrdered } from "./rebuild.ts";
import { joinedEpoch } from "./state.ts";
import { wishAnswer } from "./wish.ts";

export function roleOf(o: Observation): Role {
  if (o.datadir.kind !== "ready") return "provisioning";
  if (!o.process.running) return o.me.stopping ? "stopped" : "unknown";
  if (o.primacy?.stage === "open") return "primary";
  if (o.primacy !== null || o.candidateSince !== null) return "candidate";
  if (o.server === null) return "unknown";
  if (o.following !== null && o.server.source !== null) return "replica";
  return "fenced";
}

export function epochOf(o: Observation): number {
  return o.primacy?.epoch ?? o.following?.epoch ?? o.consul.state?.value.epoch ?? 0;
}

/** The first hold says why nothing is done; otherwise what is done, and why. */
export function sentence(actions: readonly Action[]): string {
  const acting = actions.filter((action) => action.do !== "hold" && action.do !== "note-state");
  if (acting.length === 0)
    return actions.find((action) => action.do === "hold")?.why ?? "nothing to do";
  return acting.map((action) => `${action.do}: ${action.why}`).join("; ");
}

/** How long after its newest transaction a voter still counts as seeing the primary (§3: heartbeats come every 0.5 s). */
const SEES_WITHIN_MS = 1_500;

/** The node's record (§1), but for what only the process knows. */
export function recordOf(
  o: Observation,
  actions: readonly Action[],
  rest: Pick<NodeRecord, "agentPort" | "pid" | "controlSocket" | "since" | "ver">,
): NodeRecord | null {
  const { me, server, sight } = o;
  if (me.uuid === null || me.serverId === null) return null;
  const role = roleOf(o);
  const sees = sight.lastTransactionAt !== null && o.now - sight.lastTransactionAt < SEES_WITHIN_MS;
  const none = { executed: "", retrieved: "", purged: "" };
  // Nobody may read less of this uuid than it has once said that it holds (S29).
  const known = server ?? me.held;
  const { executed, retrieved, purged } = known ?? none;
  const source = server?.source ?? null;
  return {
    ...rest,
    uuid: me.uuid,
    node: me.node,
    serverId: me.serverId,
    host: me.host,
    port: me.port,
    mysqldPid: o.process.pid,
    role,
    state: o.errant !== null ? "errant" : (o.primacy?.stage ?? role),
    says: sentence(actions),
    epoch: epochOf(o),
    joined: known === null || o.markerUuid === null ? 0 : joinedEpoch(known, o.markerUuid),
    executed,
    retrieved,
    purged,
    semiSync: server?.semiSync.replicaActive ?? false,
    promised: Math.max(o.promise.epoch, o.me.promisedHigh),
    writable: server !== null && !server.readOnly && !server.superReadOnly && !server.offlineMode,
    lagSeconds: role === "primary" ? 0 : (source?.lagSeconds ?? null),
    seesPrimary: sees && source?.io === "Yes",
    reaches: sight.reaches,
    diskFull: diskFull(o),
    stopping: me.stopping,
    stopped: me.stopping && !o.process.running && o.job?.running !== true,
    errant: o.errant?.gtids ?? "",
    amnesiac: me.amnesiac,
    needsRebuild: (o.errant !== null && o.policy.rejoin === "rebuild") || isOrdered(o),
    priority: me.priority,
    noFailover: me.noFailover,
    zone: me.zone,
    paused: o.consul.paused,
    alerts: alertsOf(o),
    seenVer: o.promise.ver,
    seenEpoch: o.promise.seenEpoch,
    answer: wishAnswer(o),
  };
}
