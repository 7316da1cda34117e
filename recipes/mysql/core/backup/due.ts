// When a backup or a verification is due, where it runs, and when a running one is given up. Every node asks this of the
// same facts; the lock `backup/lock` then makes sure that one does it. Moments are the wall clock's, read once per look.
import { FRESH_MS } from "../policy.ts";
import type { Peer, State } from "../records.ts";

/** Key `backup/last`: the newest backup as far as Consul knows. A hint: the catalogue in the store decides. */
export type LastBackup = {
  /** Null: the catalogue was read, and there is none. */
  readonly id: string | null;
  readonly gtid: string;
  readonly binlog: { readonly file: string; readonly position: number } | null;
  readonly node: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly rawBytes: number;
  readonly storedBytes: number;
  /** The newest backup that was verified and found good, when, and how long a restore took. */
  readonly verified: VerifiedBackup | null;
};

export type VerifiedBackup = {
  readonly id: string;
  readonly at: string;
  readonly ok: boolean;
  readonly restoreMs: number | null;
  readonly rawBytes: number;
};

/** Key `backup/intents/<id>`: somebody's recorded wish. */
export type BackupWish = {
  readonly id: string;
  readonly verb: "backup" | "verify";
  /** Name of the node that is to do it; null: whoever is best. */
  readonly node: string | null;
  readonly incremental: boolean;
  /** verify: which one; null: the newest. */
  readonly backup: string | null;
  readonly by: string;
  /** Wished by a node, not by a person: it waits like a schedule does, and is tried again until it is done. */
  readonly auto?: true;
  /** ISO 8601. */
  readonly at: string;
  readonly outcome: null | { readonly ok: boolean; readonly says: string; readonly id: string };
};

/** Key `backup/failed`: failures in a row; gone with the next success. */
export type FailedBackup = {
  readonly failures: number;
  /** Wall clock, ms since 1970. */
  readonly at: number;
  readonly uuid: string;
  readonly node: string;
  readonly why: string;
};

export type Task = {
  readonly kind: "survey" | "backup" | "verify";
  readonly why: string;
  readonly wish: BackupWish | null;
  /** verify: which one. */
  readonly backup: string | null;
};

export type DueFacts = {
  readonly now: number;
  readonly state: State | null;
  readonly paused: boolean;
  /** Null: nobody has read the catalogue since this Consul knows the cluster. */
  readonly last: LastBackup | null;
  readonly failed: FailedBackup | null;
  readonly wishes: readonly BackupWish[];
  /** The schedule's first moment after the last backup began; the verifications' likewise. Null: never. */
  readonly scheduledAt: number | null;
  readonly verifyAt: number | null;
  /** This cluster's own delay. */
  readonly delayMs: number;
};

const FAILED_FIRST_MS = 60_000;
const FAILED_LONGEST_MS = 3_600_000;

/** The one thing that is to be done now, or null. Who holds the lock already is not asked here. */
export function taskDue(f: DueFacts): Task | null {
  // Without an open primary nobody can say which transactions are acknowledged: no image could be confirmed.
  if (f.state?.phase !== "open") return null;
  const patient = f.paused || f.now < notBefore(f.failed);
  const asked = oldestWish(
    f.wishes.filter((wish) => wish.auto !== true || !(patient || isDone(wish, f.last))),
  );
  if (asked !== null)
    return { ...plain(asked.verb, saysWish(asked)), wish: asked, backup: whichOf(asked, f) };
  if (patient) return null;
  if (f.last === null) return plain("survey", "nobody knows what the store has");
  if (f.last.id === null) return plain("backup", "the first backup of this cluster");
  if (f.scheduledAt !== null && f.now >= f.scheduledAt + f.delayMs)
    return plain("backup", "the schedule");
  const { verified, id } = f.last;
  const isNew = verified?.id !== id || !verified.ok;
  if (f.verifyAt !== null && isNew && f.now >= f.verifyAt + f.delayMs)
    return { ...plain("verify", "the schedule"), backup: id };
  return null;
}

function plain(kind: Task["kind"], why: string): Task {
  return { kind, why, wish: null, backup: null };
}

function saysWish({ auto, by }: BackupWish): string {
  return auto === true ? by : `${by} wishes it`;
}

/** A node's own wish is for any backup: one that began after it is that one. */
function isDone({ at }: BackupWish, last: LastBackup | null): boolean {
  return last !== null && last.id !== null && last.startedAt > at;
}

function whichOf(wish: BackupWish, { last }: DueFacts): string | null {
  return wish.verb === "verify" ? (wish.backup ?? last?.id ?? null) : null;
}

function oldestWish(wishes: readonly BackupWish[]): BackupWish | null {
  const open = wishes.filter(({ outcome }) => outcome === null);
  return open.toSorted((a, b) => order(a.at, b.at) || order(a.id, b.id))[0] ?? null;
}

/** 1 min after the first failure, 2, 4 … at most an hour: a store that is away is asked, but not all the time. */
export function notBefore(failed: FailedBackup | null): number {
  if (failed === null || failed.failures < 1) return -Infinity;
  const pause = FAILED_FIRST_MS * 2 ** Math.min(failed.failures - 1, 10);
  return failed.at + Math.min(pause, FAILED_LONGEST_MS);
}

export type Choice = { readonly uuid: string | null; readonly why: string };

/** The primary is asked only when there has been nobody else for so long: replicas that come need its disk, and its clone. */
const ALONE_MS = 60_000;

/** A replica that lags further than this gives an image that is older than it need be. */
const LAG_SECONDS = 60;

/** Who does it. The in-sync replica with the least lag; the primary only where nobody else can. */
export function chooseNode(
  task: Pick<Task, "wish">,
  {
    state,
    peers,
    failed,
    aloneForMs,
  }: Pick<DueFacts, "state" | "failed"> & {
    readonly peers: readonly Peer[];
    /** For how long no replica could have done it. */
    readonly aloneForMs: number;
  },
): Choice {
  if (state === null) return { uuid: null, why: "the cluster has no state" };
  const able = peers.filter((peer) => isAble(peer, state));
  const wished = task.wish?.node ?? null;
  if (wished !== null) {
    const named = able.find(({ node }) => node === wished);
    if (named === undefined) return { uuid: null, why: `${wished} cannot do it now` };
    return { uuid: named.uuid, why: "it was named" };
  }
  const better = (a: Peer, b: Peer): number =>
    Number(state.voters.includes(b.uuid)) - Number(state.voters.includes(a.uuid)) ||
    // Another one, where one has just failed: what was in its way may be its own.
    Number(a.uuid === failed?.uuid) - Number(b.uuid === failed?.uuid) ||
    (a.lagSeconds ?? 0) - (b.lagSeconds ?? 0) ||
    order(a.uuid, b.uuid);
  const [replica] = able.filter(({ role }) => role === "replica").toSorted(better);
  if (replica !== undefined) return { uuid: replica.uuid, why: "a replica without lag" };
  const primary = able.find(({ uuid }) => uuid === state.primary);
  if (primary === undefined) return { uuid: null, why: "no node can do it now" };
  if (task.wish === null && aloneForMs < ALONE_MS)
    return { uuid: null, why: "waiting for a replica that can do it" };
  return { uuid: primary.uuid, why: "the primary: there is no replica without lag" };
}

export function hasReplica(peers: readonly Peer[], state: State | null): boolean {
  return state !== null && peers.some((peer) => peer.role === "replica" && isAble(peer, state));
}

function isAble(peer: Peer, state: State): boolean {
  const serves =
    peer.uuid === state.primary
      ? peer.role === "primary"
      : peer.role === "replica" && peer.lagSeconds !== null && peer.lagSeconds <= LAG_SECONDS;
  return (
    serves &&
    peer.ageMs <= FRESH_MS &&
    peer.epoch === state.epoch &&
    peer.mysqldPid !== null &&
    !peer.stopping &&
    !peer.needsRebuild &&
    !peer.diskFull
  );
}

export type RunningTask = {
  readonly kind: Task["kind"];
  /** Whether this node was primary when it began. */
  readonly asPrimary: boolean;
  /** How long it runs, our monotonic clock. */
  readonly forMs: number;
};

/**
 * Why a running task is ended, or null: it goes on. A node that becomes primary, or is about to, leaves the disk to its
 * clients where another node can begin anew; alone it goes on, since it would only begin again.
 */
export function giveUp(
  task: RunningTask,
  f: {
    readonly deadlineMs: number;
    readonly stopping: boolean;
    /** Another session holds the lock now. */
    readonly lockLost: boolean;
    readonly leads: boolean;
    readonly others: boolean;
  },
): string | null {
  if (f.stopping) return "this node stops";
  if (task.forMs > f.deadlineMs) return "it took longer than its deadline";
  if (f.lockLost) return "another node holds the lock";
  if (f.leads && !task.asPrimary && f.others)
    return "this node becomes primary: another one can do it";
  return null;
}

/** This cluster's own delay, 0 to `jitterMs`: the same on every node, another one for another cluster. */
export function delayOf(clusterId: string, jitterMs: number): number {
  let hash = 0x811c9dc5; // FNV-1a, 32 bits
  for (const letter of clusterId) {
    hash ^= letter.codePointAt(0) ?? 0;
    hash = Math.imul(hash, 0x01000193) >>> 0;
  }
  return Math.floor((hash / 2 ** 32) * (jitterMs + 1));
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
