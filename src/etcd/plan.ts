// What a transaction of the Kv port does to what was read: Consul's operations, one after the other, on a snapshot. Pure.
// kv.ts then writes the outcome on condition that nothing of what was read has changed.
import type { KvEntry, KvOp } from "../ports.ts";

/** What was read, at one revision. */
export type Snapshot = {
  /** Every key that an operation names or that is below a tree that one deletes, where it exists. */
  readonly entries: ReadonlyMap<string, KvEntry>;
  /** Those of the named sessions that exist. */
  readonly sessions: ReadonlySet<string>;
};

export type Plan =
  | {
      readonly ok: true;
      /** What becomes of each key that changes; null: it is deleted. */
      readonly changes: ReadonlyMap<string, Next | null>;
      /** One for each operation that wrote a key, in order. */
      readonly written: readonly (Next & { readonly key: string })[];
    }
  | { readonly ok: false; readonly why: string };

type Next = { readonly value: string; readonly session: string | null };

/** Of a key that this very transaction wrote: no index that a client could know. */
const UNKNOWN_INDEX = -1;

export function planCommit(ops: readonly KvOp[], snapshot: Snapshot): Plan {
  const now = new Map<string, KvEntry>(snapshot.entries);
  const written: (Next & { readonly key: string })[] = [];
  const reasons: string[] = [];
  for (const [at, op] of ops.entries()) {
    const why = refusalOf(op, now.get(op.key) ?? null, snapshot);
    if (why !== null) {
      reasons.push(`operation ${at} on ${op.key}: ${why}`);
      continue;
    }
    const next = apply(op, now);
    if (next !== null) written.push({ key: op.key, ...next });
  }
  if (reasons.length > 0) return { ok: false, why: reasons.join("; ") };
  return { ok: true, changes: changesBetween(snapshot.entries, now), written };
}

/** Why the operation fails, or null. */
function refusalOf(op: KvOp, before: KvEntry | null, { sessions }: Snapshot): string | null {
  switch (op.do) {
    case "cas":
      return (before?.index ?? 0) === op.index ? null : "index is stale";
    case "delete-cas":
      return before === null || before.index === op.index ? null : "index is stale";
    case "lock":
      if (!sessions.has(op.session)) return `invalid session ${op.session}`;
      return before === null || before.session === null || before.session === op.session
        ? null
        : "lock is already held";
    case "unlock":
      return before?.session === op.session ? null : "lock isn't held, or by another session";
    case "check-session":
      return before?.session === op.session ? null : "failed session check";
    case "set":
    case "delete":
    case "delete-tree":
      return null;
  }
}

/** Does it to `now`; what it wrote, or null. */
function apply(op: KvOp, now: Map<string, KvEntry>): Next | null {
  switch (op.do) {
    case "set":
    case "cas":
      return write(now, op.key, { value: op.value, session: now.get(op.key)?.session ?? null });
    case "lock":
      return write(now, op.key, { value: op.value, session: op.session });
    case "unlock":
      return write(now, op.key, { value: op.value, session: null });
    case "check-session":
      return null;
    case "delete":
    case "delete-cas":
      now.delete(op.key);
      return null;
    case "delete-tree":
      for (const key of now.keys()) if (key.startsWith(op.key)) now.delete(key);
      return null;
  }
}

function write(now: Map<string, KvEntry>, key: string, next: Next): Next {
  const before = now.get(key);
  const same = before?.value === next.value && before.session === next.session;
  // Writing what is there already is no write: its index stays.
  if (!same) now.set(key, { key, ...next, index: UNKNOWN_INDEX });
  return next;
}

function changesBetween(
  before: ReadonlyMap<string, KvEntry>,
  after: ReadonlyMap<string, KvEntry>,
): ReadonlyMap<string, Next | null> {
  const changes = new Map<string, Next | null>();
  for (const key of before.keys()) if (!after.has(key)) changes.set(key, null);
  for (const [key, { value, session }] of after) {
    const old = before.get(key);
    if (old?.value !== value || old.session !== session) changes.set(key, { value, session });
  }
  return changes;
}
