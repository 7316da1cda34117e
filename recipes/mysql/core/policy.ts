// The cluster's durability policy (PROTOCOL §1) and the timers of §3–§7. Milliseconds throughout.

export type Policy = {
  /** k: acknowledgements that a commit waits for. */
  readonly acks: number;
  /** Upper bound of |V|. */
  readonly voters: number;
  /** 0: a primary may go on alone; = acks: it waits instead. */
  readonly minAcks: number;
  readonly dropVoterAfterMs: number;
  readonly aloneAfterMs: number;
  /** Unplanned failovers within ten minutes after which elections slow down; 0: they never do. */
  readonly backOffAfter: number;
  /** What happens to a node whose data cannot follow: set aside and provisioned anew, or kept for a person. */
  readonly rejoin: "rebuild" | "hold";
  /** Datadirs set aside that a node keeps. */
  readonly keepAside: number;
};

/** §3: nobody starts an election while a new transaction of the primary arrived within this. */
export const VETO_MS = 3_000;
/** §3 tier 2: no new heartbeat transaction for this long means that the primary is lost to this voter. */
export const HEARTBEAT_LOST_MS = 1_500;
/** §3 tier 2: /liveness is first asked after this long without the primary (a refused connection: at once). */
export const ASK_LIVENESS_AFTER_MS = 1_200;
/** §3 tier 2: how long ≥ q voters must say `lost` before anyone ends the primary's session. */
export const LOST_AGREED_MS = 500;
/** §4 step 0: one rank's head start. */
export const RANK_STEP_MS = 150;
/** §4 step 3: a candidate waits this long for promises, then gives up. */
export const PROMISES_WITHIN_MS = 10_000;
/** §4 step 4: a cold start waits this long for the last primary's own promise. */
export const COLD_START_WAIT_MS = 3_000;
/** §4 step 4: where only the last primary promised, every node that runs has written its record (every 2 s) by then. */
export const OWN_PROMISE_WAIT_MS = 3_000;
/** §4 step 4: a release that came this soon after a proof that no newer primary was open carries it on. */
export const PROVEN_WITHIN_MS = 5_000;
/** §4 step 5: others leave the lock to the preferred node for this long. */
export const PREFERRED_HEAD_START_MS = 2_000;
/** §4 step 9: a marker that nobody acknowledges within this is not waited for any longer. */
export const MARKER_WITHIN_MS = 30_000;
/** §3: a heartbeat that started within this before the deadline proves that no newer primary was open. */
export const FAILSAFE_WINDOW_MS = 3_000;
/** §3 tier 1: consecutive failures of the 0.5 s probe before mysqld counts as hung. */
export const PROBE_FAILURES = 4;
/** §1: a record is fresh while its index moved within this on the reader's clock. */
export const FRESH_MS = 3_000;
/** §2 "twice": a record is written every 2 s while its agent lives and reaches Consul. */
export const MOVED_AFTER_MS = 6_000;
/** §10 "two failovers in a row": how long a failover counts, and the longest pause before an election. */
export const FAILOVERS_COUNT_MS = 600_000;
export const SLOWEST_ELECTION_MS = 30_000;
/** §10 "disk full": below this a commit may not find room; MySQL waits then, for ever, without an error. */
export const DISK_FULL_BELOW = 64 * 1_048_576;
/** §10 "disk full on P": a heartbeat that waits this long for room, not for acknowledgements. */
export const NO_ROOM_MS = 3_000;
/** §6: a stopping primary waits at most this long for its successor. */
export const HAND_OVER_WITHIN_MS = 10_000;
/** §6: a switchover's drain. */
export const DRAIN_WITHIN_MS = 5_000;
