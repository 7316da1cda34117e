// What the recipe asks of one mysqld: the verbs of a DBA, and the facts that decisions need.
// The real server and the simulated one implement it; executors know nothing below it. No verb decides anything.
// Errors: UnavailableError AP_MYSQLD_TIMEOUT / AP_MYSQLD_EXITED with MySQL's own error as cause; nothing is retried here.
import type { Audit, ServerFacts, GtidFacts, SourceFacts } from "../core/observation.ts";

/** Where and how a replica connects. */
export type SourceAddress = { readonly host: string; readonly port: number };

/** An account name of replication, e.g. autopilot_repl_3. One per server_id (PROTOCOL §7 "cut"). */
export type ReplicationAccount = { readonly serverId: number };

export interface Mysqld extends AsyncDisposable {
  /** Everything a tick needs, in one round trip over the standing admin connection. Limit 2 s. */
  observe(): Promise<ServerFacts>;
  /** Cheap look for detection (PROTOCOL §3 tier 2), every 250 ms: receiver state and the newest queued transaction. */
  receiver(): Promise<{ readonly io: SourceFacts["io"]; readonly lastQueued: string }>;

  /**
   * PROTOCOL §4 step 3 c–e: stops the receiver and waits until it is 'No' ('Connecting' is not stopped),
   * semi-sync replica flag OFF, starts the applier if it is stopped without error, and only then reads the sets.
   */
  stopReceiver(): Promise<GtidFacts>;
  /** PROTOCOL §5: receiver options only while the applier runs; semi-sync flag before START REPLICA IO_THREAD. */
  follow(
    source: SourceAddress,
    account: ReplicationAccount,
    semiSync: boolean,
  ): Promise<{
    /** Its semi-sync source half is still ON, from its time as primary: disarmReplica is due. */
    readonly armed: boolean;
  }>;
  /** Semi-sync source OFF on a closed server that follows. Takes up to a second; disturbs nothing else meanwhile. */
  disarmReplica(): Promise<void>;
  /** Semi-sync replica flag and a restart of the receiver, so that it takes effect (PROTOCOL §7 add, cut). */
  setSemiSyncReplica(on: boolean): Promise<void>;
  /** Starts the applier only (a restarted replica drains what it has received). */
  startApplier(): Promise<void>;
  /** A freshly cloned datadir carries its donor's replica metadata: RESET REPLICA ALL, both threads stopped. */
  forgetSource(): Promise<void>;

  /** PROTOCOL §4 step 6–7: STOP REPLICA, RESET REPLICA ALL, semi-sync source ON with count k (k = 0: OFF), read back and verified. */
  takeOver(acks: number): Promise<void>;
  /** Step 9, first half: super_read_only=OFF while read_only stays ON. */
  liftSuperReadOnly(): Promise<void>;
  /**
   * Step 9: with sql_log_bin=0, unlocks and locks these accounts, kills the dump threads of uuids not in `keep` and,
   * where anything was locked, logins that are under way, and sees them gone (limit 2 s).
   */
  setAccounts(a: {
    readonly unlocked: readonly number[];
    readonly locked: readonly number[];
    readonly keep: readonly string[];
  }): Promise<void>;
  /** §7 cut x: lock its account, kill its dump thread, see it gone (processlist and Rpl_semi_sync_source_clients). */
  cut(serverId: number, uuid: string): Promise<void>;
  /** sql_log_bin=0 ACCOUNT UNLOCK. */
  uncut(serverId: number): Promise<void>;
  /** Creates the account of a new node with the cluster's replication password (replicated; only while clients ≥ k: S22). */
  createAccount(serverId: number): Promise<void>;
  /** Drops the account of a server_id that nobody has any more (replicated, like createAccount: S22). */
  dropAccount(serverId: number): Promise<void>;
  /** Inserts the marker under its fixed GTID; returns when k acknowledged it (or at once for k = 0). Limit in ms. */
  mark(markerUuid: string, epoch: number, limitMs: number): Promise<void>;
  /** Step 10: enables events disabled on the replica side, then read_only=OFF. */
  open(): Promise<void>;
  /** Looks for what weakens the promises (PROTOCOL §2, S26–S28), on a connection of its own. Limit 5 s a statement. */
  audit(): Promise<Audit>;
  /** One heartbeat transaction on its own connection; resolves when it is committed, i.e. acknowledged by k. Limit 3 s. */
  heartbeat(epoch: number): Promise<void>;
  /** §3 tier 1: NEW connection on the admin port, and, where `write`, a local write with sql_log_bin=0. Limit 0.5 s. */
  probe(write: boolean): Promise<void>;
  /** rpl_semi_sync_source_wait_for_replica_count (k ≥ 1), source enabled; read back. */
  setAcks(acks: number): Promise<void>;
  /** Only as the last step of going alone (§7): semi-sync source OFF, which lets the waiting commits return. */
  releaseWaiters(): Promise<void>;

  /** Planned switchover: read_only=ON then super_read_only=ON within the limit, verified, no waiters, clients cut. False: not drained, nothing changed for good. */
  drain(limitMs: number): Promise<boolean>;
  /** Undo of drain on the same incarnation, after a consistent read showed the same epoch. */
  undrain(): Promise<void>;
  /** §6 soft fence: offline_mode=ON (1 s) then super_read_only (2 s). False: not done, waiters or SUPER clients left → the caller kills. */
  softFence(): Promise<boolean>;
  /** Forgets the binary logs before this file. The caller knows that they are archived, and that no replica needs them. */
  purgeBinlogs(upTo: string): Promise<void>;
  /** KILLs every client connection but our own and replication's; for a stop that gives no false OK (§6 stop). */
  killClients(): Promise<void>;
}
