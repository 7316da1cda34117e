// /v1/txn: all operations or none. Every operation is tried, so that the answer lists every failure (as Consul does);
// any failure takes all of them back.
import {
  deleteBelow,
  deleteKey,
  deleteKeyIf,
  entriesBelow,
  isDelayed,
  lockKey,
  quote,
  setKey,
  setKeyIf,
  unlockKey,
  type KeyWrite,
} from "./keys.ts";
import { rollback, type Entry, type State } from "./state.ts";

export type TransactionOp = KeyWrite & { readonly verb: string };

/** `withValue`: only reads answer with values. */
export type TransactionResult = { readonly entry: Entry; readonly withValue: boolean };

export type TransactionError = { readonly OpIndex: number; readonly What: string };

const WRITES = new Set(["set", "delete", "delete-cas", "delete-tree", "cas", "lock", "unlock"]);

export function isWrite(verb: string): boolean {
  return WRITES.has(verb);
}

/** Failures that Consul's leader finds before it writes to its log: they alone are the answer then. */
export function refusals(
  state: State,
  ops: readonly TransactionOp[],
  now: number,
): TransactionError[] {
  const found: TransactionError[] = [];
  for (const [at, op] of ops.entries()) {
    if (op.key === "" && op.verb !== "delete-tree" && op.verb !== "get-tree") {
      found.push({ OpIndex: at, What: "Must provide key" });
    } else if (op.verb === "lock" && isDelayed(state, op.key, now)) {
      found.push({ OpIndex: at, What: `failed to lock key ${quote(op.key)} due to lock delay` });
    }
  }
  return found;
}

/** Runs the operations under one index. On errors the state is as before. */
export function transact(
  state: State,
  index: number,
  ops: readonly TransactionOp[],
): {
  readonly results: readonly TransactionResult[];
  readonly errors: readonly TransactionError[];
} {
  const mark = state.undo.length;
  const { kvIndex } = state;
  const results: TransactionResult[] = [];
  const errors: TransactionError[] = [];
  for (const [at, op] of ops.entries()) {
    const outcome = perform(state, index, op);
    if (typeof outcome === "string") errors.push({ OpIndex: at, What: outcome });
    else results.push(...outcome);
  }
  if (errors.length === 0) return { results, errors };
  rollback(state, mark, kvIndex);
  if (mark === 0) state.topics.delete("kv");
  return { results: [], errors };
}

/** One operation's results, or Consul's text of its failure. */
function perform(state: State, index: number, op: TransactionOp): TransactionResult[] | string {
  const { key } = op;
  const found = state.kv.get(key);
  const named = quote(key);
  switch (op.verb) {
    case "set":
      return written(setKey(state, index, op));
    case "cas":
      return written(setKeyIf(state, index, op) || `failed to set key ${named}, index is stale`);
    case "lock":
      return written(
        lockKey(state, index, op) || `failed to lock key ${named}, lock is already held`,
      );
    case "unlock":
      return written(
        unlockKey(state, index, op) ||
          `failed to unlock key ${named}, lock isn't held, or is held by another session`,
      );
    case "delete":
      deleteKey(state, index, key);
      return [];
    case "delete-cas":
      return deleteKeyIf(state, index, key, op.index)
        ? []
        : `failed to delete key ${named}, index is stale`;
    case "delete-tree":
      deleteBelow(state, index, key);
      return [];
    case "get":
      return found ? [{ entry: found, withValue: true }] : `key ${named} doesn't exist`;
    case "get-tree":
      return entriesBelow(state, key).map((entry) => ({ entry, withValue: true }));
    case "check-session":
      return checkSession(found, op);
    case "check-index":
      return checkIndex(found, op);
    case "check-not-exists":
      return found ? `key ${named} exists` : [];
    default:
      return `unknown KV verb ${quote(op.verb)}`;
  }
}

function written(outcome: Entry | string): TransactionResult[] | string {
  return typeof outcome === "string" ? outcome : [{ entry: outcome, withValue: false }];
}

function checkSession(found: Entry | undefined, op: TransactionOp): TransactionResult[] | string {
  const named = quote(op.key);
  if (!found) return `failed to check session, key ${named} doesn't exist`;
  const holder = found.session ?? "";
  if (holder === op.session) return [{ entry: found, withValue: false }];
  return `failed session check for key ${named}, current session ${quote(holder)} != ${quote(op.session)}`;
}

function checkIndex(found: Entry | undefined, op: TransactionOp): TransactionResult[] | string {
  const named = quote(op.key);
  if (!found) return `failed to check index, key ${named} doesn't exist`;
  if (found.modifyIndex === op.index) return [{ entry: found, withValue: false }];
  return `failed index check for key ${named}, current modify index ${found.modifyIndex} != ${op.index}`;
}
