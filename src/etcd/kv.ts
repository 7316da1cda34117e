// The Kv port on etcd. A commit reads what it is about at one revision, works out what Consul's operations do to it
// (plan.ts), and writes that on condition that nothing of what was read has changed; else it begins anew. So it is as
// atomic as etcd's own transactions, and its reasons are Consul's. All reads are linearizable.
// A write is sent once: with its answer lost it is not known whether it happened.
import type { ICompare, IRequestOp, ITxnResponse } from "etcd3";
import { invariant, UnavailableError } from "../errors.ts";
import type { Commit, Kv, KvEntry, KvOp } from "../ports.ts";
import type { EtcdConfig } from "./config.ts";
import { entriesOf, lockOf, sessionKey, spanOfKey, spanOfPrefix, type Span } from "./keys.ts";
import { isNoLease, leaseIdOf } from "./leases.ts";
import { planCommit, type Plan, type Snapshot } from "./plan.ts";
import type { Transport } from "./transport.ts";
import { watchSpan } from "./watch.ts";

/** Consul's limit of operations in one transaction. */
const OPS_MAX = 64;
/** etcd's own limit of conditions, and of writes (`--max-txn-ops`). */
const PARTS_MAX = 128;
/** Somebody else's commit succeeded each time that ours had to begin anew; this often is a storm. */
const ROUNDS_MAX = 32;

export function createKv(transport: Transport, config: EtcdConfig): Kv {
  const read = async (what: string, span: Span): Promise<readonly KvEntry[]> =>
    entriesOf((await transport.call(what, (client) => client.kv.range(span))).kvs);
  return {
    get: async (key) => (await read(`get ${key}`, spanOfKey(key)))[0] ?? null,
    list: (prefix) => read(`list ${prefix}`, spanOfPrefix(prefix)),
    commit: (ops) => commit(transport, config, ops),
    watch: (prefix, watcher) =>
      watchSpan(
        transport,
        {
          what: `watch ${prefix}`,
          span: spanOfPrefix(prefix),
          read: entriesOf,
          print: (entries) =>
            JSON.stringify(entries.map(({ key, index, session }) => [key, index, session])),
        },
        watcher,
      ),
  };
}

async function commit(
  transport: Transport,
  config: EtcdConfig,
  ops: readonly KvOp[],
): Promise<Commit> {
  const count = ops.length;
  invariant(count <= OPS_MAX, "AP_BUG_INVARIANT", `a transaction of ${count} operations`);
  if (count === 0) return { ok: true, entries: [] };
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const seen = await readAll(transport, config, ops);
    const plan = planCommit(ops, seen);
    if (!plan.ok) return plan;
    if (plan.changes.size === 0) return { ok: true, entries: written(plan, seen, 0) };
    const revision = await write(transport, request(config, ops, plan, seen));
    if (revision === "no lease") continue;
    if (revision !== null) return { ok: true, entries: written(plan, seen, revision) };
  }
  const why = `transaction on ${ops[0]?.key}: overtaken by others ${ROUNDS_MAX} times`;
  throw new UnavailableError("AP_ETCD_UNREACHABLE", why);
}

type Seen = Snapshot & { readonly revision: number };

/** The keys of the operations, the trees that they delete, and the sessions that they name, at one revision. */
async function readAll(
  transport: Transport,
  { prefix }: EtcdConfig,
  ops: readonly KvOp[],
): Promise<Seen> {
  const spans = ops.map((op) =>
    op.do === "delete-tree" ? spanOfPrefix(op.key) : spanOfKey(op.key),
  );
  const sessions = sessionsIn(ops);
  const ranges = [
    ...spans,
    ...sessions.map((id) => ({ key: Buffer.from(sessionKey(prefix, id)) })),
  ];
  const { header, responses } = await transport.call(`read for ${ops[0]?.key}`, (client) =>
    client.kv.txn({ success: ranges.map((span) => ({ request_range: span })) }),
  );
  const kvs = responses.map(({ response_range }) => response_range.kvs);
  const entries = kvs.slice(0, spans.length).flatMap(entriesOf);
  return {
    revision: Number(header.revision),
    entries: new Map(entries.map((entry) => [entry.key, entry])),
    sessions: new Set(sessions.filter((_, at) => (kvs[spans.length + at] ?? []).length > 0)),
  };
}

/** Those that have to exist: of the locks that are taken. */
function sessionsIn(ops: readonly KvOp[]): readonly string[] {
  const taken = ops.flatMap((op) => (op.do === "lock" ? [op.session] : []));
  // A name that is no lease's cannot be a session.
  return [...new Set(taken)].filter((session) => leaseIdOf(session) !== null);
}

type Request = { readonly compare: ICompare[]; readonly success: IRequestOp[] };

function request(
  { prefix }: EtcdConfig,
  ops: readonly KvOp[],
  plan: Extract<Plan, { readonly ok: true }>,
  seen: Seen,
): Request {
  const conditions = new Map<string, ICompare>();
  for (const op of ops)
    for (const it of conditionsOf(op, prefix, seen)) conditions.set(idOf(it), it);
  const compare = [...conditions.values()];
  const trees = ops.filter((op) => op.do === "delete-tree").map((op) => op.key);
  const success = writesOf(plan.changes, trees, seen);
  const parts = Math.max(compare.length, success.length);
  const why = `a transaction of ${parts} parts, where etcd takes ${PARTS_MAX}`;
  invariant(parts <= PARTS_MAX, "AP_BUG_INVARIANT", why);
  return { compare, success };
}

function idOf({ key, range_end: end }: ICompare): string {
  return `${key?.toString()}\n${end?.toString() ?? ""}`;
}

/** That nothing has changed since: the key, its lock where that matters, the tree, the session. */
function conditionsOf(op: KvOp, prefix: string, { entries, revision }: Seen): readonly ICompare[] {
  if (op.do === "delete-tree") return [notSince(spanOfPrefix(op.key), revision)];
  const entry = entries.get(op.key) ?? null;
  const same: ICompare = {
    key: Buffer.from(op.key),
    target: "Mod",
    result: "Equal",
    mod_revision: entry?.index ?? 0,
  };
  if (!("session" in op)) return [same];
  const lock = Buffer.from(lockOf(op.key));
  const holder: ICompare =
    entry?.session == null
      ? { key: lock, target: "Create", result: "Equal", create_revision: 0 }
      : { key: lock, target: "Value", result: "Equal", value: Buffer.from(entry.session) };
  if (op.do !== "lock") return [same, holder];
  const session = Buffer.from(sessionKey(prefix, op.session));
  return [same, holder, { key: session, target: "Create", result: "Greater", create_revision: 0 }];
}

/** No key of the range was written after `revision`. Deleted ones do not matter to whoever deletes them. */
function notSince(span: Span, revision: number): ICompare {
  return { ...span, target: "Mod", result: "Less", mod_revision: revision + 1 };
}

/** A tree is deleted as one range, unless something is put into it after that: etcd writes a key once. */
function writesOf(
  changes: Extract<Plan, { readonly ok: true }>["changes"],
  trees: readonly string[],
  { entries }: Seen,
): IRequestOp[] {
  const put = [...changes].filter(([, next]) => next !== null).map(([key]) => key);
  const whole = trees.filter((tree) => !put.some((key) => key.startsWith(tree)));
  const ranges = whole.map((tree) => ({ request_delete_range: spanOfPrefix(tree) }));
  const rest = [...changes].filter(
    ([key, next]) => next !== null || !whole.some((tree) => key.startsWith(tree)),
  );
  const single = rest.flatMap(([key, next]) => writesOfKey(key, next, entries.get(key) ?? null));
  return [...ranges, ...single];
}

function writesOfKey(
  key: string,
  next: { readonly value: string; readonly session: string | null } | null,
  before: KvEntry | null,
): readonly IRequestOp[] {
  const lock = Buffer.from(lockOf(key));
  const held = before?.session ?? null;
  const unlock: readonly IRequestOp[] =
    held === null ? [] : [{ request_delete_range: { key: lock } }];
  if (next === null) return [{ request_delete_range: { key: Buffer.from(key) } }, ...unlock];
  const put: IRequestOp = {
    request_put: { key: Buffer.from(key), value: Buffer.from(next.value) },
  };
  if (next.session === held) return [put];
  if (next.session === null) return [put, ...unlock];
  const lease = leaseIdOf(next.session) ?? "0";
  return [put, { request_put: { key: lock, value: Buffer.from(next.session), lease } }];
}

/** The revision of the write; null: something of what was read has changed, and nothing was written. */
async function write(transport: Transport, txn: Request): Promise<number | null | "no lease"> {
  return transport.call("transaction", async (client) => {
    try {
      const { succeeded, header }: ITxnResponse = await client.kv.txn(txn);
      return succeeded ? Number(header.revision) : null;
    } catch (error) {
      // The session ended in between, before its key was gone: the next look at it says so.
      if (isNoLease(error)) return "no lease";
      throw error;
    }
  });
}

function written(
  { written: all, changes }: Extract<Plan, { readonly ok: true }>,
  { entries }: Seen,
  revision: number,
): readonly KvEntry[] {
  return all.map(({ key, value, session }) => {
    const index = changes.has(key) ? revision : (entries.get(key)?.index ?? revision);
    return { key, value, session, index };
  });
}
