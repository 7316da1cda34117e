// What stands in Consul below the cluster's keys (PROTOCOL §1): plain JSON, written by one node and read by all.

/** GTID sets of one server, in MySQL's text form (Reference Manual, "GTID Format and Storage"). */
export type GtidFacts = {
  readonly executed: string;
  readonly retrieved: string;
  readonly purged: string;
};

/** Key `state` (§1). Every write of it is one transaction [check-session leader, cas]. */
export type State = {
  readonly ver: number;
  readonly epoch: number;
  readonly phase: "electing" | "promoting" | "open";
  /** uuid of the published primary; null while electing. */
  readonly primary: string | null;
  /** uuid of the last published primary before this election. */
  readonly prevPrimary: string | null;
  readonly voters: readonly string[];
  readonly acks: number;
};

/** Key `leader`: the lock. A release leaves a value that says why. */
export type LeaderValue =
  | {
      readonly held: true;
      readonly uuid: string;
      readonly node: string;
      readonly epoch: number;
      /** Where replicas reach it, so that FOLLOW needs no further read. */
      readonly host: string;
      readonly port: number;
      readonly agentPort: number;
    }
  | {
      readonly held: false;
      readonly epoch: number;
      readonly reason: string;
      /** uuid of the node that should elect itself first. */
      readonly prefer: string | null;
      /** True where the holder itself closed before it released: the veto does not apply (§3). */
      readonly closed: boolean;
      /**
       * True where the primary of `epoch` had an acknowledged heartbeat, or drained, a moment before: no newer one was open
       * then (§3), so its own promise need not be doubted (§4 step 4).
       */
      readonly proven: boolean;
    };

/** Key `promises/<e>/<uuid>` (§4 step 3 e). */
export type PromiseRecord = GtidFacts & {
  readonly uuid: string;
  readonly epoch: number;
  readonly amnesiac: boolean;
  readonly joined: number;
  /** Transactions received and not applied, by count: only ever used to rank equals. */
  readonly backlog: number;
  readonly node: string;
  readonly priority: number;
  readonly noFailover: boolean;
  readonly zone: string;
  readonly stopping: boolean;
  /** Its disk counts as full (DISK_FULL_BELOW): elected only where everybody's is. */
  readonly diskFull: boolean;
};

/** Key `nodes/<uuid>`: what a node says of itself every 2 s. */
export type NodeRecord = GtidFacts & {
  readonly uuid: string;
  readonly node: string;
  readonly serverId: number;
  readonly host: string;
  readonly port: number;
  readonly agentPort: number;
  readonly pid: number;
  readonly mysqldPid: number | null;
  readonly controlSocket: string;
  readonly role: Role;
  /** What the node does, one word; `says` is the whole sentence. */
  readonly state: string;
  readonly says: string;
  readonly epoch: number;
  readonly joined: number;
  /** Highest state.ver read when the semi-sync flag was last set, and what it was set to (§7). */
  readonly ver: number;
  readonly semiSync: boolean;
  readonly promised: number;
  readonly writable: boolean;
  readonly lagSeconds: number | null;
  /** True while it still sees heartbeat transactions of the primary of `epoch`. */
  readonly seesPrimary: boolean;
  /** uuids whose agents answered when the primary was silent; [] while it is not (§3 "no acks"). */
  readonly reaches: readonly string[];
  readonly diskFull: boolean;
  readonly stopping: boolean;
  readonly stopped: boolean;
  readonly errant: string;
  readonly needsRebuild: boolean;
  /** A voter whose promise does not count until it was removed from V and added anew (§2). */
  readonly amnesiac: boolean;
  readonly priority: number;
  readonly noFailover: boolean;
  /** Where the node stands, as its tags say; "" where nobody said. */
  readonly zone: string;
  /** Whether it has seen that the cluster is paused; absent in a record of an older agent. */
  readonly paused?: boolean;
  /** What a person should know, each with its code; absent in a record of an older agent. */
  readonly alerts?: readonly string[];
  readonly since: string;
  /** Highest state.ver and state.epoch that it has ever read (§7 "Consul wiped or restored"). */
  readonly seenVer: number;
  readonly seenEpoch: number;
  /** Its answer to an operator's wish for `adopt` or `failover` (§7a); null: none is asked, or it cannot answer. */
  readonly answer: WishAnswer | null;
};

/** What a node knows durably, said once its mysqld can be read. */
export type WishAnswer = {
  /** Id of the intent: so nobody needs a clock to tell that this is no record of long ago. */
  readonly intent: string;
  readonly clusterId: string | null;
  /** It is the open primary of the record's epoch. */
  readonly open: boolean;
  readonly noted: State | null;
  readonly pending: State | null;
};

export type Role =
  | "primary"
  | "replica"
  | "candidate"
  | "provisioning"
  | "fenced"
  | "stopped"
  | "unknown";

/** A node record with how long ago its index last moved, on our clock (§1 "fresh"). */
export type Peer = NodeRecord & { readonly ageMs: number };

/** Key `intents/<id>`: an operator's, or a node's, recorded wish. */
export type Intent = {
  readonly id: string;
  readonly verb: "switchover" | "stop-cluster" | "join" | "rebuild" | "adopt" | "failover";
  /** switchover, rebuild, failover: the name of the node. */
  readonly to: string | null;
  /**
   * join: who asks; rebuild: the datadir that is to go; adopt, failover: who is to act, or null: nobody yet, all nodes
   * are asked what they know.
   */
  readonly uuid: string | null;
  readonly serverId: number | null;
  /** `state.epoch` when it was wished: an intent of another epoch is stale. */
  readonly epoch: number;
  /** join: `state.ver` at which the node's semi-sync flag was OFF and its receiver not connected (§7). */
  readonly ver: number;
  /** adopt, failover: what the verdict rested on, which must still hold when the named node acts. */
  readonly judged?: string;
  /** adopt, failover: the operator accepts what may be lost. */
  readonly accept?: boolean;
  /** failover: the node that the operator says is switched off. */
  readonly off?: string | null;
  readonly by: string;
  readonly rebuild?: {
    /** Whether it was in V when it was wished. */
    readonly voter: boolean;
    /** Set by the node once its datadir is set aside: where that is, and what others lack of it. */
    readonly kept: null | {
      readonly datadir: string;
      readonly errant: string | null;
      readonly gtids: string;
      /** All of it is extracted, as far as anybody can know. */
      readonly complete: boolean;
    };
  };
  /** Wall clock, for people. */
  readonly at: string;
  /** "wished" until somebody takes it; then its outcome, kept until it is collected. */
  readonly outcome: null | {
    readonly ok: boolean;
    readonly says: string;
    readonly at: string;
    /** switchover: how long writes stood still, ms, as far as this node saw; null otherwise. */
    readonly stoodStillMs: number | null;
  };
};
