// What this agent remembers between two ticks: facts about its own process, written by executors and the pulse, read
// into each observation. Nothing here is trusted beyond this process's life; what must outlive it is on disk or in Consul.
import type {
  Audit,
  Change,
  DatadirFacts,
  GtidFacts,
  HeartbeatFacts,
  JobFacts,
  Observation,
  Primacy,
  PrimarySight,
  PromiseFacts,
} from "./core/observation.ts";

import type { Trail } from "./execute/trail.ts";

export type Memory = {
  /** server_uuid and server_id of the datadir that is, or is to be, ours. */
  uuid: string | null;
  serverId: number | null;
  datadir: DatadirFacts;
  promise: PromiseFacts;
  /** Null: not yet compared with what this uuid has promised according to Consul (S29). */
  amnesiac: boolean | null;
  promisedHigh: number;
  /** Another place that this uuid's record comes from: the record's index, and since when it stands still, our clock. */
  elsewhere:
    | (NonNullable<Observation["me"]["elsewhere"]> & {
        readonly index: number;
        readonly since: number;
      })
    | null;
  /** What this uuid's record said before this agent's life, until it is compared with what mysqld holds (S29). */
  said: GtidFacts | null;
  /** What the datadir of this uuid held when it was last read, or as its record says. */
  held: (GtidFacts & { readonly uuid: string }) | null;
  /** plan.json is still there: this datadir has not been settled. */
  fresh: boolean;
  stopping: boolean;
  stoppingSince: number | null;
  stopped: boolean;
  primacy: Primacy | null;
  change: Change | null;
  switchover: Observation["switchover"];
  following: Observation["following"];
  errant: Observation["errant"];
  joinAsked: Observation["joinAsked"];
  answered: number;
  candidateSince: number | null;
  progress: { readonly executed: string; readonly at: number } | null;
  gaveUp: Observation["gaveUp"];
  /** The last time that this node, as primary of that epoch, was shown that no newer one was open (§3). */
  proof: { readonly epoch: number; readonly at: number } | null;
  provenFor: number | null;
  passedOver: string | null;
  fetching: Observation["fetching"];
  /** This node's last election, for its audit record. */
  trail: Trail | null;
  audited: { readonly epoch: number; readonly at: number; readonly audit: Audit } | null;
  diskFree: { readonly bytes: number; readonly at: number } | null;
  sawPrimary: boolean;
  heartbeat: HeartbeatFacts;
  sight: PrimarySight;
  job: JobFacts | null;
  absentSince: Readonly<Record<string, number>>;
  /** The primary that this node followed, since when it was gone: as primary this node need not wait for it anew. */
  missed: { readonly uuid: string; readonly since: number } | null;
  /** gtid_executed of the last seconds, as primary. */
  heads: readonly { readonly at: number; readonly executed: string }[];
  /** The last tick, on both clocks. */
  tickedAt: { readonly mono: number; readonly wall: number } | null;
  /** This process was paused, and no consistent read has confirmed since what it believes. */
  doubtful: boolean;
  restartAt: number;
  quickExits: number;
  /** Highest state.ver at which the semi-sync flag was last set (§7). */
  flagVer: number;
  position: Observation["position"];
  copyBytes: number | null;
  droppedAt: number | null;
  /** When the last drain began, our clock: for telling people how long writes stood still. */
  drainedAt: number | null;
};

export const NO_HEARTBEAT: HeartbeatFacts = {
  ackedStart: null,
  waitingSince: null,
  probeFailures: 0,
};

export const NO_SIGHT: PrimarySight = {
  lastTransactionAt: null,
  receiverDownSince: null,
  refused: false,
  agentDeadSince: null,
  askedAt: null,
  reaches: [],
};

export function freshMemory(datadir: DatadirFacts, promise: PromiseFacts): Memory {
  return {
    uuid: datadir.uuid,
    serverId: datadir.serverId,
    datadir,
    promise,
    amnesiac: null,
    promisedHigh: 0,
    elsewhere: null,
    said: null,
    held: null,
    fresh: false,
    stopping: false,
    stoppingSince: null,
    stopped: false,
    primacy: null,
    change: null,
    switchover: null,
    following: null,
    errant: null,
    joinAsked: null,
    answered: 0,
    candidateSince: null,
    progress: null,
    gaveUp: null,
    proof: null,
    provenFor: null,
    passedOver: null,
    fetching: null,
    trail: null,
    audited: null,
    diskFree: null,
    sawPrimary: false,
    heartbeat: NO_HEARTBEAT,
    sight: NO_SIGHT,
    job: null,
    absentSince: {},
    missed: null,
    heads: [],
    tickedAt: null,
    doubtful: false,
    restartAt: 0,
    quickExits: 0,
    flagVer: 0,
    position: null,
    copyBytes: null,
    droppedAt: null,
    drainedAt: null,
  };
}

/** Before what is known of replication is forgotten for an election. */
export function rememberMissed(memory: Memory): void {
  const { following, sight } = memory;
  const since = sight.receiverDownSince;
  if (following !== null)
    memory.missed = since === null ? null : { uuid: following.primary, since };
}

/** A mysqld that ended, or a new primary: nothing that was known of replication holds any longer. */
export function forgetReplication(memory: Memory): void {
  memory.following = null;
  memory.sight = NO_SIGHT;
  memory.errant = null;
}

/** The end of a primacy, however it came. */
export function forgetPrimacy(memory: Memory): void {
  memory.primacy = null;
  memory.change = null;
  memory.heartbeat = NO_HEARTBEAT;
  memory.absentSince = {};
  memory.heads = [];
}
