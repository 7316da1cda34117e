// /v1/kv/ and /v1/txn.
import {
  deleteBelow,
  deleteKey,
  deleteKeyIf,
  entriesBelow,
  indexBelow,
  isDelayed,
  lockKey,
  setKey,
  setKeyIf,
  unlockKey,
  type KeyWrite,
} from "./keys.ts";
import {
  json,
  notAllowed,
  stringAt,
  text,
  unsigned,
  type Call,
  type Query,
  type Reply,
} from "./reply.ts";
import { write, type Entry, type State } from "./state.ts";
import { isWrite, refusals, transact, type TransactionOp } from "./transaction.ts";

/** Consul's default kv_max_value_size, which is also the limit of a transaction's body. */
export const VALUE_MAX_BYTES = 512 * 1024;
const TRANSACTION_MAX_OPS = 64;

export function kvEndpoint(state: State, call: Call): Reply | Query {
  switch (call.method) {
    case "GET":
      return readKeys(state, call);
    case "PUT":
      return putKey(state, call);
    case "DELETE":
      return removeKeys(state, call);
    default:
      return notAllowed(call.method);
  }
}

/** An entry as Consul prints it; an empty value is null. */
function printed(entry: Entry, withValue = true): unknown {
  return {
    LockIndex: entry.lockIndex,
    Key: entry.key,
    Flags: entry.flags,
    Value: withValue && entry.value.length > 0 ? entry.value.toString("base64") : null,
    ...(entry.session === null ? {} : { Session: entry.session }),
    CreateIndex: entry.createIndex,
    ModifyIndex: entry.modifyIndex,
  };
}

function readKeys(state: State, { rest: key, query }: Call): Reply | Query {
  const below = query.has("recurse") || query.has("keys");
  if (!below && key === "") return text(400, "Missing key name");
  const concerns: Query["concerns"] = ({ keys }) => {
    if (!below) return keys.has(key);
    for (const changed of keys) if (changed.startsWith(key)) return true;
    return false;
  };
  if (query.has("keys")) return { concerns, run: () => listKeys(state, key, query) };
  if (below) {
    return {
      concerns,
      run: () => {
        const entries = entriesBelow(state, key);
        const index = indexBelow(state, key, entries);
        if (entries.length === 0) return { status: 404, index };
        return { status: 200, json: entries.map((entry) => printed(entry)), index };
      },
    };
  }
  return {
    concerns,
    run: () => {
      const entry = state.kv.get(key);
      if (entry === undefined) return { status: 404, index: state.kvIndex || 1 };
      const index = entry.modifyIndex;
      if (query.has("raw")) return { status: 200, raw: entry.value, index };
      return { status: 200, json: [printed(entry)], index };
    },
  };
}

function listKeys(
  state: State,
  prefix: string,
  query: URLSearchParams,
): Reply & { readonly index: number } {
  const separator = query.get("separator") ?? "";
  const entries = entriesBelow(state, prefix);
  const index = indexBelow(state, prefix, entries);
  const names = new Set<string>();
  for (const { key } of entries) {
    const cut = separator === "" ? -1 : key.indexOf(separator, prefix.length);
    names.add(cut < 0 ? key : key.slice(0, cut + separator.length));
  }
  if (names.size === 0 && prefix !== "") return { status: 404, index };
  return { status: 200, json: [...names], index };
}

/** The first two of these flags together are an error in Consul's words, or null. */
function conflict(query: URLSearchParams, flags: readonly string[]): Reply | null {
  if (flags.filter((flag) => query.has(flag)).length < 2) return null;
  const sorted = new URLSearchParams([...query].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return text(400, `Conflicting flags: ${sorted.toString()}\n`);
}

function putKey(state: State, { rest: key, query, body, now }: Call): Reply {
  if (key === "") return text(400, "Missing key name");
  const clash = conflict(query, ["cas", "acquire", "release"]);
  if (clash) return clash;
  const flags = unsigned(query.get("flags") ?? "0");
  const index = unsigned(query.get("cas") ?? "0");
  if (typeof flags === "string") return text(500, flags);
  if (typeof index === "string") return text(500, index);
  if (body.length > VALUE_MAX_BYTES) {
    const see = "https://www.consul.io/docs/agent/options.html#kv_max_value_size";
    return text(
      413,
      `Request body(${body.length} bytes) too large, max size: ${VALUE_MAX_BYTES} bytes. See ${see}.`,
    );
  }
  const session = query.get("acquire") ?? query.get("release") ?? "";
  const wish: KeyWrite = { key, value: body, flags, index, session };
  // The leader refuses before its log: no index is used.
  if (query.has("acquire") && session !== "" && isDelayed(state, key, now)) return json(false);
  const outcome = write(state, (at) => {
    if (query.has("cas")) return setKeyIf(state, at, wish);
    if (query.has("acquire")) return lockKey(state, at, wish);
    if (query.has("release")) return unlockKey(state, at, wish);
    return setKey(state, at, wish);
  });
  return typeof outcome === "string" ? text(500, outcome) : json(outcome !== false);
}

function removeKeys(state: State, { rest: key, query }: Call): Reply {
  const clash = conflict(query, ["recurse", "cas"]);
  if (clash) return clash;
  if (query.has("recurse")) {
    write(state, (at) => deleteBelow(state, at, key));
    return json(true);
  }
  if (key === "") return text(400, "Missing key name");
  if (query.has("cas")) {
    const expected = unsigned(query.get("cas") ?? "");
    if (typeof expected === "string") return text(500, expected);
    return json(write(state, (at) => deleteKeyIf(state, at, key, expected)));
  }
  write(state, (at) => deleteKey(state, at, key));
  return json(true);
}

export function txnEndpoint(state: State, call: Call): Reply {
  if (call.method !== "PUT") return notAllowed(call.method);
  if (call.body.length > VALUE_MAX_BYTES)
    return text(413, `Request body too large, max size: ${VALUE_MAX_BYTES} bytes`);
  const ops = parseOps(call.body);
  if (typeof ops === "string") return text(400, `Failed to parse body: ${ops}`);
  if (ops.length > TRANSACTION_MAX_OPS) {
    const counts = `${ops.length} > ${TRANSACTION_MAX_OPS}`;
    return text(413, `Transaction contains too many operations (${counts})`);
  }
  const writes = ops.some((op) => isWrite(op.verb));
  const refused = refusals(state, ops, call.now);
  const { results, errors } =
    refused.length > 0
      ? { results: [], errors: refused }
      : writes
        ? write(state, (at) => transact(state, at, ops))
        : transact(state, state.index, ops);
  const failed = errors.length > 0;
  const body = {
    Results: failed
      ? null
      : results.map(({ entry, withValue }) => ({ KV: printed(entry, withValue) })),
    Errors: failed ? errors : null,
    ...(writes ? {} : { Index: 0, LastContact: 0, KnownLeader: true, ConsistencyLevel: "" }),
  };
  return { status: failed ? 409 : 200, json: body };
}

/** The operations of a transaction's body, or what is wrong with it. */
function parseOps(body: Buffer): TransactionOp[] | string {
  let given: unknown;
  try {
    given = JSON.parse(body.toString());
  } catch (error) {
    return (error as Error).message;
  }
  if (!Array.isArray(given)) return "expected a list of operations";
  const ops: TransactionOp[] = [];
  for (const item of given as readonly Record<string, unknown>[]) {
    const kv = item["KV"];
    if (kv === undefined) {
      if (Object.keys(item).length === 0) continue;
      return "the development agent knows only KV operations";
    }
    const op = kv as Record<string, unknown>;
    const value = op["Value"] ?? "";
    if (typeof value !== "string" || !/^[A-Za-z0-9+/]*={0,2}$/.test(value))
      return "illegal base64 data at input byte 0";
    ops.push({
      verb: stringAt(op, "Verb"),
      key: stringAt(op, "Key"),
      value: Buffer.from(value, "base64"),
      flags: Number(op["Flags"] ?? 0),
      index: Number(op["Index"] ?? 0),
      session: stringAt(op, "Session"),
    });
  }
  return ops;
}
