// The Kv port on Consul. Values are UTF-8 text on our side, bytes on Consul's, base64 inside a transaction.
// A transaction is sent once: with its answer lost it is not known whether it happened.
import { invariant } from "../errors.ts";
import type { Commit, Kv, KvEntry, KvOp } from "../ports.ts";
import { entryOf, type ConsulItem } from "./item.ts";
import { answerOf, type Client, type Transport } from "./transport.ts";
import { watchPrefix } from "./watch.ts";

/** Consul's limit of operations in one transaction. */
const OPS_MAX = 64;

export function createKv(transport: Transport): Kv {
  return {
    async get(key, read = {}) {
      const options = { key, ...consistency(read) };
      const item = await transport.call(`get ${key}`, (client) => client.kv.get(options));
      return item ? entryOf(item) : null;
    },
    async list(prefix, read = {}) {
      const options = { key: prefix, recurse: true, ...consistency(read) };
      const items = await transport.call(`list ${prefix}`, (client) => client.kv.get(options));
      return ((items ?? []) as readonly ConsulItem[]).map(entryOf);
    },
    commit: (ops) => commit(transport, ops),
    watch: (prefix, watcher) => watchPrefix(transport, prefix, watcher),
  };
}

function consistency(read: { readonly consistent?: boolean }) {
  return read.consistent === true ? { consistent: true } : {};
}

async function commit(transport: Transport, ops: readonly KvOp[]): Promise<Commit> {
  const count = ops.length;
  invariant(count <= OPS_MAX, "AP_BUG_INVARIANT", `a transaction of ${count} operations`);
  if (ops.length === 0) return { ok: true, entries: [] };
  // The package sends them as they are; its declarations miss their outer `KV`.
  const operations = ops.map(operationOf) as unknown as Operations;
  return transport.call("transaction", async (client) => {
    try {
      const { Results } = await client.transaction.create(operations, { operations });
      return { ok: true, entries: entriesOf(ops, (Results ?? []) as readonly TxnResult[]) };
    } catch (error) {
      const answer = answerOf(error);
      if (answer?.statusCode !== 409) throw error;
      return { ok: false, why: reasonsOf(answer.body) };
    }
  });
}

type Operations = Extract<Parameters<Client["transaction"]["create"]>[0], readonly unknown[]>;
type TxnResult = { readonly KV: ConsulItem };

function operationOf(op: KvOp) {
  const { do: verb, key } = op;
  return {
    KV: {
      Verb: verb,
      Key: key,
      ...("value" in op ? { Value: Buffer.from(op.value).toString("base64") } : {}),
      ...("index" in op ? { Index: op.index } : {}),
      ...("session" in op ? { Session: op.session } : {}),
    },
  };
}

/** One entry for each operation that wrote a key, in order. Consul answers checks too, and deletions not at all. */
function entriesOf(ops: readonly KvOp[], results: readonly TxnResult[]): KvEntry[] {
  const answered = ops.filter((op) => !op.do.startsWith("delete"));
  return answered.flatMap((op, at) => {
    const item = results[at]?.KV;
    return item && "value" in op ? [{ ...entryOf(item), value: op.value }] : [];
  });
}

function reasonsOf(body: unknown): string {
  const errors = (body as { Errors?: readonly { What?: string }[] } | null)?.Errors ?? [];
  return errors.map((it) => it.What ?? "unknown").join("; ") || "conflict";
}
