// A node that is not the primary: promise to a candidate (PROTOCOL §4 step 3), FOLLOW the primary (§5), say when it is
// lost (§3 tier 2), and give up data that cannot follow (§7 rebuild).
import { hold, type Action } from "./action.ts";
import { roomLeft } from "./candidate.ts";
import { hasLostPrimary, mayEndSession, silentMs } from "./detection.ts";
import { gtidSet, isEmpty, subtract, type GtidSet } from "./gtid.ts";
import type { Observation, ServerFacts, State } from "./observation.ts";
import { failedLately, isOrdered, notYetSafe, reportRebuilt } from "./rebuild.ts";
import { short } from "./state.ts";

/** §4 step 3: a newer epoch is being elected. A primary that is still open is fenced first; mysqld restarts closed. */
export function answerCandidate(o: Observation): readonly Action[] | null {
  const state = o.consul.state?.value;
  if (state === undefined || o.me.uuid === null) return null;
  const asked = state.phase === "electing" && state.voters.includes(o.me.uuid);
  if (o.primacy !== null && state.epoch > o.primacy.epoch) {
    const drained = o.primacy.stage === "drained" && o.server?.superReadOnly === true;
    const why = `epoch ${state.epoch} is newer than mine`;
    if (!drained) return [{ do: "kill-mysqld", why: `${why}: fenced` }];
    // A watch shows only the newest value: the election that it drained for may be over before it saw it.
    if (!asked) return [{ do: "end-primacy", why: `${why}, and closed already` }];
  }
  if (!asked) return null;
  if (state.epoch < o.promise.epoch || o.answered >= state.epoch || o.server === null) return null;
  if (!o.server.superReadOnly)
    return [{ do: "kill-mysqld", why: "not closed, and no primary: fenced" }];
  return [{ do: "promise", epoch: state.epoch, why: `a candidate asks for epoch ${state.epoch}` }];
}

/** §5: somebody else is published. */
export function follow(o: Observation): readonly Action[] | null {
  const state = o.consul.state?.value;
  if (state === undefined || state.primary === null || state.primary === o.me.uuid) return null;
  if (o.server === null || o.me.uuid === null) return null;
  if (state.epoch < o.promise.epoch)
    return hold(`promised epoch ${o.promise.epoch}: not following epoch ${state.epoch}`);
  const voter = state.voters.includes(o.me.uuid);
  if (!o.server.superReadOnly)
    return [{ do: "kill-mysqld", why: "a replica that is not closed: somebody opened it" }];
  // A free lock with a published primary: it failed. Whoever may elect does, before anything is followed anew.
  if (voter && o.consul.leader?.session == null) return null;
  if (o.errant !== null && o.errant.primary === state.primary) return cannotFollow(o, voter);
  const target = addressOf(o, state.primary);
  const semiSync = voter;
  const { epoch, primary } = { epoch: state.epoch, primary: state.primary };
  if (o.following === null || o.following.epoch !== epoch || o.following.primary !== primary) {
    if (target === null) return hold(`waiting for the address of ${short(primary)}`);
    return [
      {
        do: "follow",
        epoch,
        primary,
        ...target,
        semiSync,
        why: `epoch ${epoch}: following the primary`,
      },
    ];
  }
  if (
    !isEmpty(notReceived(o.server, o.following.known)) &&
    o.now - o.following.since >= REFOLLOW_EVERY_MS
  )
    // §10 "operator writes on a replica": FOLLOW compares with the primary, and finds it errant.
    return [{ ...refollow(o, state), why: "transactions that did not come from the primary" }];
  if (o.server.semiSync.replicaEnabled !== semiSync || o.following.semiSync !== semiSync) {
    const why = semiSync ? "in V: acknowledging from now on" : "not in V: not acknowledging";
    return [{ do: "set-semi-sync", on: semiSync, epoch, why }];
  }
  return (
    handedOver(o, state) ??
    watchPrimary(o, state) ??
    joinIn(o, state) ??
    reportRebuilt(o, state) ??
    healthy(o, state, voter)
  );
}

/**
 * Executed, not held when FOLLOW compared, and not received since: somebody wrote it here, under whichever uuid (a
 * GTID_NEXT by hand). What the primary commits, its own (S21) and what it holds of older primaries, is received first.
 */
function notReceived(server: ServerFacts, known: string): GtidSet {
  return subtract(subtract(gtidSet(server.executed), gtidSet(server.retrieved)), gtidSet(known));
}

function addressOf(o: Observation, uuid: string): { host: string; port: number } | null {
  const value = o.consul.leader?.value;
  if (value?.held === true && value.uuid === uuid) return { host: value.host, port: value.port };
  const peer = o.consul.peers.find((p) => p.uuid === uuid);
  return peer === undefined ? null : { host: peer.host, port: peer.port };
}

/** The hand-over that this node began as primary has its outcome. */
function handedOver(o: Observation, state: State): readonly Action[] | null {
  const id = o.switchover?.id ?? null;
  if (id === null || state.phase !== "open") return null;
  const value = o.consul.leader?.value;
  const who = value?.held === true ? value.node : short(state.primary ?? "");
  return [
    { do: "answer-intent", intent: id, ok: true, why: `${who} is primary at epoch ${state.epoch}` },
  ];
}

/** §3 tier 2. */
function watchPrimary(o: Observation, state: State): readonly Action[] | null {
  const voter = o.me.uuid !== null && state.voters.includes(o.me.uuid);
  const said = o.consul.lost.some((l) => l.uuid === o.me.uuid);
  if (!hasLostPrimary(o)) {
    if (said) return [{ do: "unsay-lost", epoch: state.epoch, why: "the primary is back" }];
    return null;
  }
  // The lock is free already: the election decides, there is no session to end.
  const { session = null, value = null } = o.consul.leader ?? {};
  // A candidate may hold it already, whose epoch this node has not read yet.
  const theirs = value?.held === true && value.uuid === state.primary;
  if (session === null || !theirs || o.consul.paused) return null;
  if (voter && !said)
    return [
      {
        do: "say-lost",
        epoch: state.epoch,
        why: `no sign of the primary for ${Math.round(silentMs(o))} ms`,
      },
    ];
  if (mayEndSession(o, state))
    return [{ do: "end-session", session, why: "enough voters have lost the primary" }];
  return null;
}

const ACCESS_DENIED = 1045;
const ACCOUNT_LOCKED = 3118;

/** A node without an account here, or with a locked one, asks the primary for it (§7). */
function joinIn(o: Observation, state: State): readonly Action[] | null {
  const source = o.server?.source;
  if (source == null || source.io === "Yes") return null;
  if (source.ioErrno !== ACCESS_DENIED && source.ioErrno !== ACCOUNT_LOCKED) return null;
  const { joinAsked } = o;
  const current =
    joinAsked !== null && joinAsked.epoch === state.epoch && joinAsked.ver >= state.ver;
  if (current && o.consul.intents.some((i) => i.verb === "join" && i.uuid === o.me.uuid))
    return hold("waiting for the primary to admit this node");
  // Admitted: its own next try would come a second later.
  if (current && !joinAsked.reconnected)
    return [{ do: "reconnect", why: "the primary has admitted this node" }];
  if (current && o.now - joinAsked.at < ASK_AGAIN_AFTER_MS)
    return hold("reconnecting to the primary");
  // §7: an account for asynchronous use only while the own flag is OFF; a voter's acknowledgements count anyway.
  const voter = o.me.uuid !== null && state.voters.includes(o.me.uuid);
  if (!voter && o.server?.semiSync.replicaActive === true) return null;
  const { ver, epoch } = state;
  return [{ do: "ask-join", ver, epoch, why: "the primary has no open account for this node" }];
}

/** The receiver's own retry interval is 1 s (SOURCE_CONNECT_RETRY): by then an admitted node is connected. */
const ASK_AGAIN_AFTER_MS = 3_000;

/** A receiver that ends right after its start would else be started a hundred times a second. */
const REFOLLOW_EVERY_MS = 2_000;

function healthy(o: Observation, state: State, voter: boolean): readonly Action[] | null {
  const source = o.server?.source;
  if (source == null) return [{ ...refollow(o, state), why: "no source is configured" }];
  if (source.sqlErrno !== 0 && source.sql === "No")
    return hold(`applier stopped: ${source.sqlError}`);
  if (source.sql === "No") return [{ do: "start-applier", why: "the applier is stopped" }];
  if (source.io === "No") {
    const error = source.ioError === "" ? "" : `: ${source.ioError}`;
    // FOLLOW looks again at what the primary has purged, and decides on a rebuild (§5). Not in a hot loop.
    if (o.following !== null && o.now - o.following.since < REFOLLOW_EVERY_MS)
      return hold(`the receiver is stopped${error}`);
    return [{ ...refollow(o, state), why: `the receiver is stopped${error}` }];
  }
  const lag =
    source.lagSeconds === null || source.lagSeconds <= 1 ? "" : `, ${source.lagSeconds} s behind`;
  const what = source.io === "Yes" ? `following${lag}` : "connecting";
  return hold(
    `replica at epoch ${state.epoch}, ${voter ? "voter" : "not a voter"}, ${what}${roomLeft(o)}`,
  );
}

function refollow(o: Observation, state: State): Omit<Extract<Action, { do: "follow" }>, "why"> {
  const address = addressOf(o, state.primary ?? "") ?? {
    host: o.server?.source?.host ?? "",
    port: o.server?.source?.port ?? 0,
  };
  return {
    do: "follow",
    epoch: state.epoch,
    primary: state.primary ?? "",
    ...address,
    semiSync: o.me.uuid !== null && state.voters.includes(o.me.uuid),
  };
}

/** §7 rebuild: only a non-voter is wiped; the primary removes this node from V first. */
function cannotFollow(o: Observation, voter: boolean): readonly Action[] {
  const why = o.errant?.why ?? "";
  if (o.policy.rejoin === "hold" && !isOrdered(o))
    return hold(`cannot follow, kept for a person (rejoin: hold; \`autopilot rebuild\`): ${why}`);
  if (voter) return hold(`cannot follow, waiting to be removed from V: ${why}`);
  const state = o.consul.state?.value;
  if (state === undefined || o.me.uuid === null) return hold(`cannot follow: ${why}`);
  const missing = notYetSafe(state, { ...o, me: o.me.uuid, peers: o.consul.peers });
  if (missing !== null) return hold(`cannot follow, waiting (${missing}): ${why}`);
  if (failedLately(o))
    return hold(`cannot follow, setting aside failed: ${o.job?.failure ?? ""}; trying again`);
  return [{ do: "set-aside", intent: null, why: `cannot follow: ${why}` }];
}
