// The published primary: marker, gate, membership, orders, and when to stop being it (PROTOCOL §3, §4 steps 9–10, §6, §7).
import { dropUnclaimed, ownAccount } from "./accounts.ts";
import { hold, type Action } from "./action.ts";
import { joinedNewer, roomLeft } from "./candidate.ts";
import { failsafe, noRoom, serverHangs } from "./detection.ts";
import { membershipStep } from "./membership.ts";
import type { Observation, Primacy, ServerFacts, State } from "./observation.ts";
import { MARKER_WITHIN_MS } from "./policy.ts";
import { holdsLock, quorum, short } from "./state.ts";
import { switchover } from "./switchover.ts";

/** §4 last paragraph: any exit of the primary's mysqld ends its epoch; the lock is released at once. */
export function endPrimacy(o: Observation): readonly Action[] | null {
  const { primacy, process } = o;
  if (primacy === null) return null;
  if (process.running && process.incarnation === primacy.incarnation) return null;
  const why = `mysqld ended: ${process.lastExit ?? "unknown"}`;
  if (holdsLock(o))
    return [
      // First, so that a Consul that is away cannot hold up what comes next for this node.
      { do: "end-primacy", why },
      { do: "release-lock", prefer: null, closed: true, gaveUp: false, why },
    ];
  return [{ do: "end-primacy", why }];
}

export function bePrimary(o: Observation): readonly Action[] | null {
  const { primacy } = o;
  if (primacy === null) return null;
  if (serverHangs(o))
    return [{ do: "kill-mysqld", why: "mysqld hangs: new logins or local writes do not return" }];
  if (noRoom(o)) return [{ do: "kill-mysqld", why: "the disk is full: commits wait for room" }];
  // What Consul has forgotten (§7) the others remember: a newer epoch was opened, and this one must not acknowledge.
  const newer = primacy.stage === "drained" ? null : joinedNewer(o, primacy.epoch);
  if (newer !== null) return [{ do: "kill-mysqld", why: newer }];
  const entry = o.consul.state;
  const first =
    guard(primacy, o.server, entry?.value ?? null) ?? keepLock(o, primacy, entry?.value ?? null);
  if (first !== null) return first;
  if (o.server === null) return hold("primary: mysqld does not answer this look");
  if (entry === null) return hold("primary: no state in Consul");
  // Another epoch's state is nobody's to change from here.
  if (entry.value.epoch !== primacy.epoch)
    return hold("primary: Consul's state is of another epoch");
  return (
    reachOpen(o, primacy, entry.value) ??
    switchover(o, primacy, entry.value) ??
    members(o, o.server, entry) ??
    serve(o, primacy, entry.value)
  );
}

/** Voters that ended our session elect within their rank's head start, or a preferred node's 2 s; then it is ours again. */
const THEIR_TURN_MS = 5_000;

/** §3: a session that vanished is replaced without touching `state`; without Consul the failsafe judges. */
function keepLock(o: Observation, primacy: Primacy, state: State | null): readonly Action[] | null {
  if (primacy.stage === "drained" || primacy.stage === "draining") return null;
  const judged = failsafe(o, state);
  if (judged === "soft-fence")
    return [
      {
        do: "soft-fence",
        why: "no Consul and no acknowledged heartbeat: another primary may be open",
      },
    ];
  if (judged === "stay") {
    const proof =
      state?.acks === 0 ? "nobody else may open (k = 0)" : "heartbeats are acknowledged";
    return hold(`primary at epoch ${primacy.epoch} by failsafe: Consul is away, ${proof}`);
  }
  if (holdsLock(o)) return null;
  const holder = o.consul.leader?.session ?? null;
  if (holder !== null)
    return hold("primary: another node holds the lock and has not raised the epoch yet");
  if (o.consul.session === null || !o.consul.reachable)
    return hold("primary: waiting for a Consul session");
  const lost = o.consul.lost.filter((l) => state?.voters.includes(l.uuid) === true);
  // They ended our session on purpose (§3 tier 2): taking the lock back at once would keep them from electing.
  const freeMs = o.leaderFreeSince === null ? 0 : o.now - o.leaderFreeSince;
  const theirs = state !== null && state.voters.length > 1 && lost.length >= quorum(state);
  if (theirs && freeMs < THEIR_TURN_MS)
    return hold("primary: enough voters have lost this node, the lock is theirs");
  return [
    {
      do: "reacquire",
      epoch: primacy.epoch,
      why: "the lock is free, mysqld is the same incarnation",
    },
  ];
}

/** What must never be seen on a primary: then it is fenced, whatever else it was about to do. */
function guard(
  primacy: Primacy,
  server: ServerFacts | null,
  state: State | null,
): readonly Action[] | null {
  const fence = (why: string): readonly Action[] => [{ do: "kill-mysqld", why }];
  // A drain is one action: whoever still sees it under way sees one that failed in the middle.
  if (primacy.stage === "draining") return fence("a drain ended neither open nor closed");
  if (server === null || state === null) return null;
  const { sourceEnabled, waitFor, sourceActive } = server.semiSync;
  const armed = sourceEnabled && waitFor >= state.acks;
  // S3: a source that fell back to asynchronous acknowledges what nobody else has.
  if (state.acks > 0 && (!armed || (primacy.stage === "open" && !sourceActive)))
    return fence("semi-sync is off on a primary that needs acknowledgements");
  if (primacy.stage === "open" && server.superReadOnly)
    return fence("closed by somebody else: this epoch ends");
  return null;
}

/** Steps 9 and 10. */
function reachOpen(o: Observation, primacy: Primacy, state: State): readonly Action[] | null {
  const { epoch } = primacy;
  if (primacy.stage === "open" && state.phase !== "open" && holdsLock(o))
    return [{ do: "open", epoch, why: "Consul has not learnt yet that this primary is open" }];
  const unmarked = primacy.stage === "published" || primacy.stage === "marking";
  if (unmarked && o.now - primacy.since >= MARKER_WITHIN_MS) {
    const why = "nobody acknowledged the marker within 30 s: anyone may start the next epoch";
    return [{ do: "kill-mysqld", why }];
  }
  if (primacy.stage === "published")
    return [
      {
        do: "mark",
        epoch,
        voters: state.voters,
        why: "published: the marker has to be acknowledged",
      },
    ];
  if (primacy.stage !== "marked") return null;
  // minAcks: a primary that may not go on alone stays closed until somebody acknowledges (§7).
  if (state.acks < Math.min(o.policy.minAcks, o.policy.acks)) return null;
  return [{ do: "open", epoch, why: `marker ${epoch} is acknowledged by ${state.acks}` }];
}

function members(
  o: Observation,
  server: ServerFacts,
  entry: { value: State; index: number },
): readonly Action[] | null {
  if (o.me.uuid === null || !o.consul.reachable || o.consul.paused) return null;
  const admitted = admit(o, server, entry.value);
  if (admitted !== null) return admitted;
  const seen = { o, state: entry.value, index: entry.index, server, me: o.me.uuid };
  return (
    membershipStep(seen) ??
    ownAccount(o, server, entry.value) ??
    dropUnclaimed(o, server, entry.value)
  );
}

/** A node asks for an account (§7): made while clients ≥ k (S22), unlocked only for asynchronous use or for V. */
function admit(o: Observation, server: ServerFacts, state: State): readonly Action[] | null {
  if (o.primacy?.stage !== "open" && o.primacy?.stage !== "marked") return null;
  for (const intent of o.consul.intents) {
    if (intent.verb !== "join" || intent.uuid === null || intent.serverId === null) continue;
    // A cut is no cut when its account is opened again before the change is in Consul (§7 remove, alone).
    const { change } = o;
    if (change?.kind === "alone" || (change !== null && change.uuid === intent.uuid)) continue;
    if (intent.epoch !== state.epoch)
      return [{ do: "drop-intent", intent: intent.id, why: "asked of an older epoch" }];
    const voter = state.voters.includes(intent.uuid);
    if (!voter && intent.ver < state.ver) continue;
    const { serverId, uuid } = intent;
    // S22 is about making one; an unlock is local and waits for nobody.
    const known = server.accounts.some((a) => a.serverId === serverId);
    if (!known && server.semiSync.clients < state.acks) continue;
    return [
      { do: "admit", intent: intent.id, serverId, uuid, why: `${intent.by} asks to replicate` },
    ];
  }
  return null;
}

function serve(o: Observation, primacy: Primacy, state: State): readonly Action[] {
  if (primacy.stage === "marking")
    return hold(
      `primary of epoch ${primacy.epoch}: waiting for ${state.acks} to acknowledge the marker`,
    );
  if (primacy.stage === "marked")
    return hold(`primary of epoch ${primacy.epoch}, closed: minAcks asks for more voters`);
  const waiting = o.heartbeat.waitingSince === null ? 0 : o.now - o.heartbeat.waitingSince;
  const blocked =
    waiting > 1_500 ? `, blocked on acknowledgements for ${Math.round(waiting / 1000)} s` : "";
  const alone = state.acks === 0 ? ", ALONE: no automatic failover until a voter is back" : "";
  const voters = state.voters.map((v) => nameOf(o, v)).join(", ");
  const forgetful = o.consul.peers.filter((p) => p.amnesiac && state.voters.includes(p.uuid));
  const amnesiac = forgetful
    .map((p) => `, ${p.node} is amnesiac: its promise does not count`)
    .join("");
  return hold(
    `primary at epoch ${primacy.epoch}, voters ${voters}, acks ${state.acks}${alone}${amnesiac}${blocked}${roomLeft(o)}`,
  );
}

function nameOf(o: Observation, uuid: string): string {
  if (uuid === o.me.uuid) return o.me.node;
  return o.consul.peers.find((p) => p.uuid === uuid)?.node ?? short(uuid);
}
