// What one node sees in one tick: plain JSON data, GTID sets as text. All that a decision needs is in here,
// so that each decision can be replayed from its log line. `null` means: asked and there is none, or not readable now.
import type { RoomFacts } from "./aside.ts";
import type { Policy } from "./policy.ts";
import type { GtidFacts, Intent, LeaderValue, Peer, PromiseRecord, State } from "./records.ts";

export type {
  GtidFacts,
  Intent,
  LeaderValue,
  NodeRecord,
  Peer,
  PromiseRecord,
  Role,
  State,
  WishAnswer,
} from "./records.ts";

/** The replica half of a server: what SHOW REPLICA STATUS and performance_schema say of our one channel. */
export type SourceFacts = {
  readonly host: string;
  readonly port: number;
  /** Source_UUID: empty until the receiver has connected once. */
  readonly uuid: string;
  readonly user: string;
  readonly io: "Yes" | "No" | "Connecting";
  readonly sql: "Yes" | "No";
  readonly ioError: string;
  readonly ioErrno: number;
  readonly sqlError: string;
  readonly sqlErrno: number;
  /** GTID of the newest transaction in the relay log, or "". */
  readonly lastQueued: string;
  /** Seconds_Behind_Source, or null while the server does not say. */
  readonly lagSeconds: number | null;
};

/** A dump thread: a replica that is connected to us. `uuid` is its server_uuid, as it said at connect. */
export type DumpThread = {
  readonly uuid: string;
  readonly serverId: number;
  readonly threadId: number;
};

/** One look at mysqld over the standing admin connection. */
export type ServerFacts = GtidFacts & {
  readonly uuid: string;
  readonly serverId: number;
  readonly version: string;
  readonly readOnly: boolean;
  readonly superReadOnly: boolean;
  readonly offlineMode: boolean;
  /** autopilot.cluster's id; null: the table is not there. */
  readonly clusterId: string | null;
  /** Null: no replication source is configured. */
  readonly source: SourceFacts | null;
  readonly semiSync: {
    readonly sourceEnabled: boolean;
    /** Rpl_semi_sync_source_status: OFF on an open primary with k ≥ 1 is an alarm (S3). */
    readonly sourceActive: boolean;
    readonly waitFor: number;
    readonly clients: number;
    readonly waitSessions: number;
    readonly replicaEnabled: boolean;
    /** Rpl_semi_sync_replica_status. */
    readonly replicaActive: boolean;
  };
  readonly dumpThreads: readonly DumpThread[];
  /** server_ids that have an account autopilot_repl_<n>, with its lock; [] where not read (replica). */
  readonly accounts: readonly { readonly serverId: number; readonly locked: boolean }[];
};

/** The mysqld process as its parent sees it. `incarnation` grows by one with each start. */
export type ProcessFacts = {
  readonly running: boolean;
  readonly incarnation: number;
  readonly pid: number | null;
  /** How the last incarnation ended, or null. */
  readonly lastExit: string | null;
  /** Not to be started again before this, our clock: back-off of a server that ends soon after its start. */
  readonly restartAt: number;
  /** Since when this incarnation, which has answered before, does not answer any more, our clock; null: it answers. */
  readonly silentSince: number | null;
};

/** What stands in the node's data directory. */
export type DatadirFacts = {
  /** `half`: made by a run that did not finish, never used. `foreign`: not made by us: never touched. */
  readonly kind: "absent" | "half" | "ready" | "foreign";
  readonly uuid: string | null;
  readonly serverId: number | null;
  /** From the file `bootstrap` beside the datadir: the id that this node wanted to found a cluster with (§7). */
  readonly bootstrap: string | null;
  /** Cluster id that the datadir was made for, from the file beside it. */
  readonly clusterId: string | null;
};

/** The promise file: durable before anything that depends on it. */
export type PromiseFacts = {
  /** Highest epoch promised. */
  readonly epoch: number;
  /** Highest `state.ver` and `state.epoch` ever read (§7 "Consul wiped or restored"). */
  readonly ver: number;
  readonly seenEpoch: number;
  /** The newest `state` read, and, of a published primary, the one that it is about to write (§7a "the note"). */
  readonly noted?: State | null;
  readonly pending?: State | null;
  /** Went back behind a promise, and was not outside of V since (§2): what is promised after that hides it from Consul. */
  readonly amnesiac?: boolean;
};

/** What Consul says. `reachable` false: everything else is the last that was read. */
export type ConsulFacts = {
  readonly reachable: boolean;
  readonly error: string | null;
  readonly session: string | null;
  /** Our belief in our session, on our clock (§3). */
  readonly goodUntil: number;
  readonly initialize: string | null;
  readonly leader: {
    readonly index: number;
    readonly session: string | null;
    readonly value: LeaderValue | null;
  } | null;
  readonly state: { readonly index: number; readonly value: State } | null;
  /** Whether `leader` and `state` have been read at least once. */
  readonly loaded: boolean;
  /** Promises of the epoch that we are a candidate of; [] otherwise. */
  readonly promises: readonly PromiseRecord[];
  /** uuids that say that the primary of this epoch is lost, with how long we have known it. */
  readonly lost: readonly { readonly uuid: string; readonly forMs: number }[];
  /** Read on demand; [] when never asked. */
  readonly peers: readonly Peer[];
  readonly peersAgeMs: number | null;
  readonly intents: readonly Intent[];
  /** server_ids that a datadir has claimed, read by the primary once a minute; null: not read. */
  readonly claims: readonly number[] | null;
  readonly paused: boolean;
};

/** Our own primacy: lives and dies with one mysqld incarnation (§4, last paragraph). */
export type Primacy = {
  readonly epoch: number;
  readonly incarnation: number;
  readonly stage: "published" | "marking" | "marked" | "open" | "draining" | "drained";
  readonly since: number;
};

/** A change of membership under way (§7), one at a time. */
export type Change = {
  readonly kind: "remove" | "add" | "acks-up" | "acks-down" | "alone";
  readonly uuid: string | null;
  readonly voters: readonly string[];
  readonly acks: number;
  /** `prepared`: the local, safe half is done; `sent`: the CAS was sent and its answer is not known. */
  readonly stage: "prepared" | "sent";
  /** When the local half was done: a heartbeat that started after it is the barrier. */
  readonly since: number;
};

export type HeartbeatFacts = {
  /** Start of the newest heartbeat that committed in this primacy, our clock; null before the first. */
  readonly ackedStart: number | null;
  /** Start of the heartbeat that is waiting now, or null. */
  readonly waitingSince: number | null;
  /** Consecutive failures of the probe on a new connection. */
  readonly probeFailures: number;
};

/** How this node sees the primary through replication and its agent's /liveness. */
export type PrimarySight = {
  /** When the last new transaction of the primary was received, our clock; null: never in this epoch. */
  readonly lastTransactionAt: number | null;
  /** Since when the receiver is not 'Yes'; null while it is. */
  readonly receiverDownSince: number | null;
  /** Reconnecting is refused at once by a live host (nobody listens there). */
  readonly refused: boolean;
  /** Since when the agent's /liveness does not answer; null: it answered last, or was not asked. */
  readonly agentDeadSince: number | null;
  /** When that was asked last. */
  readonly askedAt: number | null;
  /** uuids of other voters whose agents answered at that time. */
  readonly reaches: readonly string[];
};

export type JobFacts = {
  readonly name: "initialize" | "provision" | "set-aside";
  readonly running: boolean;
  readonly says: string;
  readonly failure: string | null;
  /** Failures in a row. */
  readonly failures: number;
  /** Not before this moment again, our clock. */
  readonly retryAt: number;
};

/** The first names of a finding, and whether there are more. */
export type Names = { readonly first: readonly string[]; readonly more: boolean };

/** What weakens the protocol's promises inside the server (§2, S26–S28). */
export type Audit = {
  /** Accounts that may write past super_read_only, a fence or the binary log. */
  readonly privileged: Names;
  readonly notTransactional: Names;
  readonly withoutKey: Names;
  readonly preparedXa: number;
};

export type Me = {
  readonly node: string;
  /** Of the datadir that is, or is to be, ours. */
  readonly uuid: string | null;
  readonly serverId: number | null;
  readonly host: string;
  readonly port: number;
  readonly priority: number;
  readonly noFailover: boolean;
  readonly zone: string;
  /** The agent got SIGTERM or SIGINT. */
  readonly stopping: boolean;
  readonly stoppingSince: number | null;
  /** This voter cannot prove that its relay log survived (§2 amnesia rule). */
  readonly amnesiac: boolean;
  /** What Consul remembers that this uuid has promised: never published lower (S29). */
  readonly promisedHigh: number;
  /** Consul's memory of this uuid was compared with its disk: a promise of before that would hide what it tells (S29). */
  readonly recalled: boolean;
  /** Where this uuid's record comes from, while it may still be written there; `lives`: it was, since this agent began. */
  readonly elsewhere: {
    readonly node: string;
    readonly host: string;
    readonly port: number;
    readonly lives: boolean;
  } | null;
  /** What this datadir held when it was last read, by this agent or the one before it; null: nobody has said. */
  readonly held: GtidFacts | null;
};

export type Observation = {
  /** Our monotonic clock, ms. */
  readonly now: number;
  readonly me: Me;
  readonly policy: Policy;
  /** uuid5(C, "epoch"): source part of every marker's GTID; null while C is unknown. */
  readonly markerUuid: string | null;
  readonly datadir: DatadirFacts;
  /** The datadir was made or cloned and has not been settled since: it may carry its donor's replica metadata. */
  readonly fresh: boolean;
  readonly process: ProcessFacts;
  readonly server: ServerFacts | null;
  readonly promise: PromiseFacts;
  readonly consul: ConsulFacts;
  /** Since when this process is the candidate of `state.epoch`, our clock; null while it is not. */
  readonly candidateSince: number | null;
  /** As candidate: when gtid_executed last grew, our clock (§4 step 6 "while there is progress"). */
  readonly progressAt: number | null;
  /** Highest epoch whose promise this agent has published in its life; 0: none. */
  readonly answered: number;
  readonly primacy: Primacy | null;
  readonly change: Change | null;
  /** A hand-over that this primary has begun: the operator's intent (null: this node stops), and the candidate's uuid. */
  readonly switchover: { readonly id: string | null; readonly to: string } | null;
  /** As primary: since when each voter has no dump thread here, our clock. */
  readonly absentSince: Readonly<Record<string, number>>;
  /** As primary: gtid_executed as it was one to two node-record intervals (2–4 s) ago; "" when not known yet. */
  readonly headBefore: string;
  /** What we follow: set by a FOLLOW that succeeded in this incarnation. */
  readonly following: {
    readonly epoch: number;
    readonly primary: string;
    readonly semiSync: boolean;
    /** When FOLLOW was done, our clock. */
    readonly since: number;
    /** What this server held then, as compared with the primary: what comes later comes through the receiver. */
    readonly known: string;
  } | null;
  /** The last time that this node asked for an account, and whether it has reconnected since. */
  readonly joinAsked: {
    readonly epoch: number;
    readonly ver: number;
    readonly at: number;
    readonly reconnected: boolean;
  } | null;
  readonly heartbeat: HeartbeatFacts;
  readonly sight: PrimarySight;
  readonly job: JobFacts | null;
  /** Set when FOLLOW found that our data cannot follow this primary. */
  readonly errant: {
    readonly primary: string;
    readonly gtids: string;
    readonly why: string;
  } | null;
  /** The primary's executed set as this node first read it in this epoch while it wanted to give up its data (§7). */
  readonly position: { readonly epoch: number; readonly executed: string } | null;
  /** Read while there is no datadir, and no job at work; null otherwise. */
  readonly room: RoomFacts | null;
  /** What the last donor said that a copy takes; null: none has said so yet. */
  readonly copyBytes: number | null;
  /** When this primary last dropped the account of a replica that is gone, our clock. */
  readonly droppedAt: number | null;
  /** Since when nobody holds `leader`, our clock; null while it is held or was never read. */
  readonly leaderFreeSince: number | null;
  /** Whether this agent has, in its life, seen an open primary: a lost one is then a fault, not a cold start (§4 step 4). */
  readonly sawPrimary: boolean;
  /** When the last election of ours was given up, and how many in a row. */
  readonly gaveUp: { readonly at: number; readonly times: number } | null;
  /** The epoch whose election began from a release of the primary before that was proven; null: none. */
  readonly provenFor: number | null;
  /** uuid that this node released an election to, since a primary was last open: it did not take it. */
  readonly passedOver: string | null;
  /** As candidate that does not hold T: the holder it copies the rest from, and those that could not give it (§4 step 5). */
  readonly fetching: {
    readonly epoch: number;
    readonly from: string;
    readonly since: number;
    readonly tried: readonly string[];
  } | null;
  /** The last audit of this primary; null: none yet. */
  readonly audit: Audit | null;
  /** Bytes that the node's file system still has for us; null: not read yet. */
  readonly diskFree: number | null;
  /** When unplanned failovers of the last ten minutes ended, our clock, oldest first. */
  readonly failovers: readonly number[];
};
