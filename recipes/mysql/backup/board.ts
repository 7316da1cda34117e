// What Consul says of backups: watched, so that it costs nothing while nothing happens; and each change of it, one
// transaction. The lock is a key that the node's session holds: it falls with the node.
import { messageOf, type Kv, type KvEntry, type KvOp } from "../../../src/index.ts";
import type { BackupWish, FailedBackup, LastBackup, Task } from "../core/backup/due.ts";
import { parseBackupWish, parseFailedBackup, parseLastBackup, type Keys } from "../keys.ts";
import type { ArchiveState, BackupPlan, RunningBackup } from "../core/backup/summary.ts";

/** Value of `backup/lock`: who does what. */
export type LockValue = {
  readonly uuid: string;
  readonly node: string;
  readonly task: Task["kind"];
  readonly why: string;
  /** ISO 8601. */
  readonly since: string;
};

export type BoardFacts = {
  readonly plan: BackupPlan | null;
  readonly last: LastBackup | null;
  readonly failed: FailedBackup | null;
  readonly wishes: readonly BackupWish[];
  readonly lock: { readonly session: string | null; readonly value: LockValue | null } | null;
};

const NOTHING: BoardFacts = { plan: null, last: null, failed: null, wishes: [], lock: null };

type Parts = { readonly kv: Kv; readonly keys: Keys };

export class Board implements AsyncDisposable {
  readonly #parts: Parts;
  readonly #end = new AbortController();
  readonly #watching: Promise<void>;
  #facts: BoardFacts | null = null;
  error: string | null = null;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#watching = parts.kv.watch(parts.keys.backups, {
      signal: this.#end.signal,
      onChange: (entries) => {
        this.#facts = this.#read(entries);
        this.error = null;
      },
      onError: (error) => (this.error = messageOf(error)),
    });
  }

  /** Null: not read yet. */
  facts(): BoardFacts | null {
    return this.#facts;
  }

  /** Reads now, linearizable: what was decided on is looked at again under the lock. */
  async look(): Promise<BoardFacts> {
    const { kv, keys } = this.#parts;
    this.#facts = this.#read(await kv.list(keys.backups, { consistent: true }));
    return this.#facts;
  }

  /** False: another session holds it. */
  async lock(session: string, value: LockValue): Promise<boolean> {
    const { kv, keys } = this.#parts;
    const text = JSON.stringify(value);
    const done = await kv.commit([{ do: "lock", key: keys.backupLock, value: text, session }]);
    return done.ok;
  }

  /** Tells how a task ended and gives the lock back, all at once; false: the lock was lost, and nothing was told. */
  async settle(session: string, ops: readonly KvOp[]): Promise<boolean> {
    const { kv, keys } = this.#parts;
    const key = keys.backupLock;
    const done = await kv.commit([
      { do: "check-session", key, session },
      ...ops,
      { do: "unlock", key, value: "", session },
      { do: "delete", key: keys.backupProgress },
    ]);
    return done.ok;
  }

  ofLast(last: LastBackup): readonly KvOp[] {
    const { keys } = this.#parts;
    return [
      { do: "set", key: keys.backupLast, value: JSON.stringify(last) },
      { do: "delete", key: keys.backupFailed },
    ];
  }

  ofFailure(failed: FailedBackup): readonly KvOp[] {
    const { keys } = this.#parts;
    return [{ do: "set", key: keys.backupFailed, value: JSON.stringify(failed) }];
  }

  ofOutcome(wish: BackupWish, outcome: NonNullable<BackupWish["outcome"]>): readonly KvOp[] {
    const value = JSON.stringify({ ...wish, outcome });
    return [{ do: "set", key: this.#parts.keys.backupWish(wish.id), value }];
  }

  ofForgotten({ id }: BackupWish): readonly KvOp[] {
    return [{ do: "delete", key: this.#parts.keys.backupWish(id) }];
  }

  async tell(ops: readonly KvOp[]): Promise<void> {
    await this.#parts.kv.commit(ops);
  }

  /** A wish of the primary's own: the newest of its kind is the one that counts. */
  async wish(wish: BackupWish): Promise<void> {
    const { kv, keys } = this.#parts;
    const key = keys.backupWish(wish.id);
    await kv.commit([{ do: "set", key, value: JSON.stringify(wish) }]);
  }

  async progress(value: RunningBackup): Promise<void> {
    const { kv, keys } = this.#parts;
    await kv.commit([{ do: "set", key: keys.backupProgress, value: JSON.stringify(value) }]);
  }

  /** What is configured; the primary's word, where it is another than before. */
  async plan(plan: BackupPlan): Promise<void> {
    const { kv, keys } = this.#parts;
    const value = JSON.stringify(plan);
    if (value === JSON.stringify(this.#facts?.plan)) return;
    await kv.commit([{ do: "set", key: keys.backupPlan, value }]);
  }

  async archived(value: ArchiveState): Promise<void> {
    const { kv, keys } = this.#parts;
    await kv.commit([{ do: "set", key: keys.backupArchive, value: JSON.stringify(value) }]);
  }

  #read(entries: readonly KvEntry[]): BoardFacts {
    return boardFacts(entries, this.#parts.keys);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.#watching;
  }
}

/** What all entries below `backup/` say. */
export function boardFacts(entries: readonly KvEntry[], keys: Keys): BoardFacts {
  const at = (key: string): KvEntry | undefined => entries.find((entry) => entry.key === key);
  const [plan, last, failed, lock] = [
    keys.backupPlan,
    keys.backupLast,
    keys.backupFailed,
    keys.backupLock,
  ].map(at);
  const wishes = entries.filter(({ key }) => key.startsWith(keys.backupWishes));
  return {
    ...NOTHING,
    ...(plan === undefined ? {} : { plan: JSON.parse(plan.value) as BackupPlan }),
    ...(last === undefined ? {} : { last: parseLastBackup(last.value) }),
    ...(failed === undefined ? {} : { failed: parseFailedBackup(failed.value) }),
    ...(lock === undefined ? {} : { lock: { session: lock.session, value: lockValue(lock) } }),
    wishes: wishes.flatMap((entry) => parseBackupWish(entry.value) ?? []),
  };
}

/** Null: nobody held it last. */
function lockValue({ value }: KvEntry): LockValue | null {
  return value === "" ? null : (JSON.parse(value) as LockValue);
}
