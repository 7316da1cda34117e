// Sessions: made, renewed, ended. Ending one releases or deletes its keys, whatever ended it: destroy, its TTL, or a
// check of its that turned critical or vanished; and the lock-delay keeps those keys from being locked for a while.
import { putEntry, idOf, type Session, type State } from "./state.ts";
import { setKey } from "./keys.ts";

/** A request for a session, defaults filled in. */
export type SessionWish = {
  readonly name: string;
  readonly node: string;
  readonly lockDelayMs: number;
  readonly behavior: string;
  readonly ttl: string;
  /** Null: an unparsable TTL; 0: none. */
  readonly ttlMs: number | null;
  readonly nodeChecks: readonly string[] | null;
  readonly serviceChecks: readonly { readonly ID: string; readonly Namespace: string }[] | null;
};

const TTL_MIN_MS = 10_000;
const TTL_MAX_MS = 24 * 3600 * 1000;
const NS_PER_MS = 1_000_000;
/** Consul's leader waits twice the TTL before it ends a session (SessionTTLMultiplier). */
const TTL_GRACE = 2;
/** Consul caps every lock-delay at a minute when it applies it. */
const LOCK_DELAY_MAX_MS = 60_000;

/** The new session, or Consul's text of the refusal. */
export function createSession(
  state: State,
  index: number,
  id: string,
  wish: SessionWish,
  now: number,
): Session | string {
  const { behavior } = wish;
  if (behavior !== "release" && behavior !== "delete")
    return `Invalid Behavior setting '${behavior}'`;
  if (wish.ttlMs === null)
    return `Session TTL '${wish.ttl}' invalid: time: invalid duration "${wish.ttl}"`;
  if (wish.ttlMs !== 0 && (wish.ttlMs < TTL_MIN_MS || wish.ttlMs > TTL_MAX_MS)) {
    return `Invalid Session TTL '${wish.ttlMs * NS_PER_MS}', must be between [10s=24h0m0s]`;
  }
  if (!state.nodes.has(wish.node)) return "Missing node registration";
  const refusal = refusedCheck(state, wish);
  if (refusal !== null) return refusal;
  const ttlMs = wish.ttlMs === 0 ? null : wish.ttlMs;
  const session: Session = {
    id,
    name: wish.name,
    node: wish.node,
    lockDelayMs: wish.lockDelayMs,
    behavior,
    ttl: wish.ttl,
    ttlMs,
    nodeChecks: wish.nodeChecks,
    serviceChecks: wish.serviceChecks,
    createIndex: index,
    deadline: ttlMs === null ? null : now + ttlMs * TTL_GRACE,
  };
  state.sessions.set(id, session);
  touch(state, index);
  return session;
}

function refusedCheck(state: State, wish: SessionWish): string | null {
  const bound = [...(wish.nodeChecks ?? []), ...(wish.serviceChecks ?? []).map((it) => it.ID)];
  for (const id of bound) {
    const check = state.checks.get(idOf(wish.node, id));
    if (check === undefined) return `Missing check '${id}' registration`;
    if (check.status === "critical") return `Check '${id}' is in critical state`;
  }
  return null;
}

/** Starts the session's TTL again. Null: there is no such session. No write: Consul's leader does it in memory too. */
export function renewSession(state: State, id: string, now: number): Session | null {
  const session = state.sessions.get(id) ?? null;
  if (session !== null && session.ttlMs !== null) {
    session.deadline = now + session.ttlMs * TTL_GRACE;
  }
  return session;
}

/** Ends a session and gives up its keys. Nothing happens when it is gone already. */
export function endSession(state: State, index: number, id: string, now: number): void {
  const session = state.sessions.get(id);
  if (session === undefined) return;
  state.sessions.delete(id);
  touch(state, index);
  const delayMs = Math.min(session.lockDelayMs, LOCK_DELAY_MAX_MS);
  for (const entry of state.kv.values()) {
    if (entry.session !== id) continue;
    if (session.behavior === "delete") putEntry(state, index, entry.key, null);
    else {
      const write = { ...entry, index: 0, session: "" };
      setKey(state, index, write, { session: null, lockIndex: entry.lockIndex });
    }
    if (delayMs > 0) state.lockDelays.set(entry.key, now + delayMs);
  }
}

/** Ends all sessions that are bound to a check of a node. */
export function endSessionsOf(
  state: State,
  index: number,
  node: string,
  checkId: string,
  now: number,
): void {
  for (const session of state.sessions.values()) {
    if (session.node !== node) continue;
    const bound =
      (session.nodeChecks ?? []).includes(checkId) ||
      (session.serviceChecks ?? []).some((it) => it.ID === checkId);
    if (bound) endSession(state, index, session.id, now);
  }
}

function touch(state: State, index: number): void {
  state.sessionIndex = index;
  state.topics.add("sessions");
}
