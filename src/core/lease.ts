// The lease keeper's decisions (PROTOCOL.md §3): which request to Consul is next, and what an answer means. Pure: the
// thread around it (lease/keeper.ts) owns the sockets and the clock.
//
//   register → pass → open → (destroy the old session) → acquire        when something is missing, at once
//   pass each 1 s · renew and re-acquire each 2 s                       when nothing is
//
// Safety: a belief's deadline counts from before the request that proved it, and never reaches past the moment when the
// check, last passed, could expire. Liveness: it never gives up; it only waits.

/** The check's TTL: a session falls with it. Consul's own limit of a session's TTL is not below 10 s. */
export const CHECK_TTL_MS = 5_000;
export const SESSION_TTL_MS = 10_000;
/** What a deadline keeps back for clocks, scheduling and the way to the fence. */
const MARGIN_MS = 500;
const PASS_EACH_MS = 1_000;
const RENEW_EACH_MS = 2_000;
/** A main loop that has not ticked for so long is dead or stuck: its check is not passed any more. */
const TICK_LIMIT_MS = 5_000;
/** After a failure, counted from before the failed request: a request that timed out is repeated at once. */
const RETRY_MS = 500;
/** The agent tells the servers of a new check within some milliseconds; a session for it has to wait for that. */
const NOT_YET_MS = 50;
/** After so many waits for a check it is registered again. */
const NOT_YET_MAX = 40;
/** An address that failed so often in a row is left for the next one. */
const MOVE_AFTER = 2;
/** How long an unanswered request may still take effect: an agent holds it up to 7 s for a leader (RPCHoldTimeout). */
const DOUBT_MS = 15_000;
/** How often a left agent is asked to forget our service. */
const FORGET_EACH_MS = 15_000;

export type LeaseCall =
  /** Service and TTL check, on the present address. */
  | { readonly do: "register"; readonly version: number }
  | { readonly do: "pass" }
  | { readonly do: "open" }
  | { readonly do: "destroy"; readonly session: string }
  | { readonly do: "renew"; readonly session: string }
  /** `first`: take the key, by a write; else prove, by a read that the Raft leader confirms, that it is ours still. */
  | {
      readonly do: "acquire";
      readonly session: string;
      readonly first: boolean;
      readonly version: number;
    }
  /** Take the service of an agent that was left out of the catalog. */
  | { readonly do: "uncatalog"; readonly node: string }
  /** Ask an agent that was left to forget the service. */
  | { readonly do: "forget"; readonly address: number };

export type LeaseAnswer =
  /** Done. `session` after open; `node` (Consul's name of it) after renew. */
  | { readonly ok: true; readonly session?: string; readonly node?: string }
  /**
   * `unreachable`: no or a broken answer; `denied`: the token; `no-check`, `no-session`: unknown to Consul;
   * `not-yet`: the check is not in the catalog or critical there; `not-held`: the key is another's, or free.
   */
  | {
      readonly ok: false;
      readonly because:
        | "unreachable"
        | "denied"
        | "no-check"
        | "no-session"
        | "not-yet"
        | "not-held";
      readonly why: string;
    };

export type LeaseSession = {
  readonly id: string;
  /** The address whose agent has its check. */
  readonly address: number;
  /** Consul's name of that agent's node, or null before the first renewal. */
  readonly node: string | null;
  /** When the last successful request of each kind was sent, ms. */
  readonly passedAt: number;
  readonly provedAt: number;
  /** Null: the key was not acquired with this session. */
  readonly acquiredAt: number | null;
  /** When the next renewal is due. */
  readonly renewAt: number;
};

export type LeaseLeft = {
  readonly address: number;
  /** Consul's name of its node. Nothing is done when it turns out to be the present one, under another address. */
  readonly node: string;
  readonly cataloged: boolean;
  /** When to ask the agent itself to forget the service. */
  readonly askAt: number;
};

export type LeaseState = {
  readonly addresses: number;
  /** Index of the address in use. */
  readonly address: number;
  /** Failures in a row on it. */
  readonly failures: number;
  /** What is registered there: the version of the announcement, and when its check was last passed. Null: nothing. */
  readonly registered: { readonly version: number; readonly passedAt: number | null } | null;
  /** The version of the announcement that is wanted. */
  readonly announced: number;
  readonly session: LeaseSession | null;
  readonly notYet: number;
  /** `wanted`: take or prove the key; `lost`: another's, or of a session that fell: left alone until asked for again. */
  readonly key: "none" | "wanted" | "lost";
  /** Grows with each wish, so that an answer to an older one proves nothing. */
  readonly keyVersion: number;
  /** Until when an unanswered first acquire may still take effect, ms. */
  readonly doubtUntil: number;
  /** A session of ours that another one replaced. */
  readonly old: string | null;
  /** An agent that was left with our service registered: its copy in the catalog is stale. */
  readonly left: LeaseLeft | null;
  /** When the main loop ticked last, ms. */
  readonly tickedAt: number;
  readonly retryAt: number;
  readonly error: string | null;
};

/** Before the first request. */
export function startLeaseState(addresses: number, now: number): LeaseState {
  return {
    addresses,
    address: 0,
    failures: 0,
    registered: null,
    announced: 1,
    session: null,
    notYet: 0,
    key: "none",
    keyVersion: 0,
    doubtUntil: 0,
    old: null,
    left: null,
    tickedAt: now,
    retryAt: now,
    error: null,
  };
}

/** The request to make now, or null. First matching row wins: what carries the session comes first. */
export function nextCall(s: LeaseState, now: number): LeaseCall | null {
  if (isStarved(s, now) || now < s.retryAt) return null;
  if (s.registered?.version !== s.announced) return { do: "register", version: s.announced };
  if (now >= passDue(s)) return { do: "pass" };
  const { session } = s;
  if (session === null || session.address !== s.address) return { do: "open" };
  if (s.old !== null) return { do: "destroy", session: s.old };
  // A late acquire would take the key for nobody: without its session it cannot.
  if (s.key !== "wanted" && now < s.doubtUntil) return { do: "destroy", session: session.id };
  if (now >= session.renewAt) return { do: "renew", session: session.id };
  if (now >= acquireDue(s, session)) {
    const first = session.acquiredAt === null;
    return { do: "acquire", session: session.id, first, version: s.keyVersion };
  }
  return tidyUp(s, session, now);
}

/** Only when the present agent's node is known: two addresses may lead to one agent, and then nothing is stale. */
function tidyUp({ left }: LeaseState, session: LeaseSession, now: number): LeaseCall | null {
  if (left === null || session.node === null) return null;
  if (left.cataloged) return { do: "uncatalog", node: left.node };
  return now >= left.askAt ? { do: "forget", address: left.address } : null;
}

/** When `nextCall` may have something to do, at the latest. */
export function wakeAt(s: LeaseState, now: number): number {
  if (isStarved(s, now)) return now + PASS_EACH_MS;
  if (now < s.retryAt) return s.retryAt;
  const { session } = s;
  const due = [passDue(s)];
  if (session !== null) due.push(session.renewAt, acquireDue(s, session));
  return Math.max(now, Math.min(...due));
}

export function isStarved(s: LeaseState, now: number): boolean {
  return now - s.tickedAt > TICK_LIMIT_MS;
}

function passDue(s: LeaseState): number {
  const passedAt = s.registered?.passedAt ?? null;
  return passedAt === null ? -Infinity : passedAt + PASS_EACH_MS;
}

function acquireDue(s: LeaseState, session: LeaseSession): number {
  if (s.key !== "wanted") return Infinity;
  return session.acquiredAt === null ? -Infinity : session.acquiredAt + RENEW_EACH_MS;
}

/** What the main thread may believe. Deadlines in ms on the clock of `now`. */
export function leaseView(s: LeaseState): {
  readonly session: string | null;
  readonly goodUntil: number;
  readonly heldUntil: number | null;
  readonly error: string | null;
} {
  const { session, error } = s;
  if (session === null) return { session: null, goodUntil: 0, heldUntil: null, error };
  const { passedAt, provedAt, acquiredAt } = session;
  const good = CHECK_TTL_MS - MARGIN_MS;
  const held = s.key === "wanted" && acquiredAt !== null;
  return {
    session: session.id,
    goodUntil: Math.min(passedAt, provedAt) + good,
    heldUntil: held ? Math.min(passedAt, acquiredAt) + good : null,
    error,
  };
}

/** The main thread asks to hold the key, or no more. Asking again for a lost key tries again. */
export function wishKey(s: LeaseState, wanted: boolean): LeaseState {
  const session = s.session && { ...s.session, acquiredAt: null };
  return { ...s, key: wanted ? "wanted" : "none", keyVersion: s.keyVersion + 1, session };
}

/** The main thread announces something else. */
export function wishAnnounced(s: LeaseState): LeaseState {
  return { ...s, announced: s.announced + 1 };
}

/** The state after an answer. `sentAt`: the clock before the request. */
export function afterCall(
  s: LeaseState,
  call: LeaseCall,
  answer: LeaseAnswer,
  sentAt: number,
  now: number,
): LeaseState {
  return answer.ok
    ? afterSuccess({ ...s, failures: 0, error: null }, call, answer, sentAt)
    : afterFailure(s, call, answer, sentAt, now);
}

function afterSuccess(
  s: LeaseState,
  call: LeaseCall,
  answer: Extract<LeaseAnswer, { readonly ok: true }>,
  sentAt: number,
): LeaseState {
  const { session } = s;
  switch (call.do) {
    case "register":
      // Registering keeps an old status, perhaps critical: only a pass counts as one.
      return {
        ...s,
        registered: { version: call.version, passedAt: s.registered?.passedAt ?? null },
      };
    case "pass": {
      const passed = session !== null && session.address === s.address;
      return {
        ...s,
        registered: s.registered && { ...s.registered, passedAt: sentAt },
        session: passed ? { ...session, passedAt: sentAt } : session,
      };
    }
    case "open":
      return afterOpen(s, answer.session ?? "", sentAt);
    case "destroy":
      return session?.id === call.session
        ? { ...s, session: null, doubtUntil: 0 }
        : { ...s, old: null };
    case "renew":
      return session?.id === call.session ? afterRenewal(s, session, answer.node, sentAt) : s;
    case "acquire":
      // The wish may have changed while the request was under way: then its answer proves nothing that is wanted.
      if (session?.id !== call.session || s.keyVersion !== call.version) return s;
      return { ...s, session: { ...session, acquiredAt: sentAt } };
    case "uncatalog":
      return { ...s, left: s.left && { ...s.left, cataloged: false } };
    case "forget":
      return { ...s, left: null };
  }
}

function afterRenewal(
  s: LeaseState,
  session: LeaseSession,
  named: string | undefined,
  sentAt: number,
): LeaseState {
  const node = named ?? session.node;
  const renewed = { ...session, node, provedAt: sentAt, renewAt: sentAt + RENEW_EACH_MS };
  return { ...s, session: renewed, left: s.left?.node === node ? null : s.left };
}

/**
 * A new session; one that it replaces is destroyed, because it may hold the key. The key is not taken with it: whose
 * session fell may have been made to fall, and only a consistent read of the state says whether the key is still its
 * (PROTOCOL §3 RE-ACQUIRE).
 */
function afterOpen(s: LeaseState, id: string, sentAt: number): LeaseState {
  const before = s.session;
  const moved = before !== null && before.address !== s.address && before.node !== null;
  const left = moved
    ? {
        address: before.address,
        node: before.node,
        cataloged: true,
        askAt: sentAt + FORGET_EACH_MS,
      }
    : s.left;
  return {
    ...s,
    key: s.key === "wanted" ? "lost" : s.key,
    notYet: 0,
    doubtUntil: 0,
    old: before?.id ?? s.old,
    left,
    session: {
      id,
      address: s.address,
      node: null,
      // A session is opened only after a pass.
      passedAt: s.registered?.passedAt ?? 0,
      provedAt: sentAt,
      acquiredAt: null,
      renewAt: sentAt + RENEW_EACH_MS,
    },
  };
}

function afterFailure(
  before: LeaseState,
  call: LeaseCall,
  answer: Extract<LeaseAnswer, { readonly ok: false }>,
  sentAt: number,
  now: number,
): LeaseState {
  // What only tidies up fails quietly; a session that we cannot destroy falls with its check.
  if (call.do === "forget" || call.do === "uncatalog") {
    const left = before.left && {
      ...before.left,
      cataloged: false,
      askAt: sentAt + FORGET_EACH_MS,
    };
    return { ...before, left };
  }
  const s = { ...before, error: answer.why };
  switch (answer.because) {
    case "unreachable": {
      const doubtful = call.do === "acquire" && call.first;
      const doubtUntil = doubtful ? sentAt + DOUBT_MS : s.doubtUntil;
      return afterUnreachable({ ...s, doubtUntil }, sentAt, now);
    }
    case "denied":
      return { ...s, retryAt: Math.max(now, sentAt + PASS_EACH_MS) };
    case "no-check":
      // A restarted agent has forgotten us; whether the session lives is seen at once by a renewal.
      return {
        ...s,
        registered: null,
        session: s.session && { ...s.session, renewAt: sentAt },
      };
    case "no-session":
      return { ...s, session: null, doubtUntil: 0 };
    case "not-yet":
      return afterNotYet(s, now);
    case "not-held":
      if (call.do !== "acquire" || call.version !== s.keyVersion) return before;
      return {
        ...s,
        key: "lost",
        session: s.session && { ...s.session, acquiredAt: null },
      };
  }
}

function afterUnreachable(s: LeaseState, sentAt: number, now: number): LeaseState {
  const failures = s.failures + 1;
  const retryAt = Math.max(now, sentAt + RETRY_MS);
  if (s.addresses < 2 || failures < MOVE_AFTER) return { ...s, failures, retryAt };
  // The session stays believed until its deadline: only a new one, opened at the next address, replaces it.
  const address = (s.address + 1) % s.addresses;
  return { ...s, address, failures: 0, registered: null, notYet: 0, retryAt: now };
}

/** The check is not in the catalog yet, or critical there: pass it again, and register it anew if that lasts. */
function afterNotYet(s: LeaseState, now: number): LeaseState {
  const notYet = s.notYet + 1;
  const again = notYet >= NOT_YET_MAX;
  return {
    ...s,
    notYet: again ? 0 : notYet,
    registered: again ? null : s.registered,
    retryAt: now + NOT_YET_MS,
  };
}
