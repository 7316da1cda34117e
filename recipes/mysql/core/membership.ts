// Changes of V and k by the published primary (PROTOCOL §7): one at a time, the safe local half first, then a barrier
// heartbeat where acknowledgements must be moved, then the CAS. Everything here proposes; the CAS decides.
import { COPY_ACCOUNT } from "./accounts.ts";
import type { Action } from "./action.ts";
import { contains, gtidSet } from "./gtid.ts";
import type { Change, Observation, Peer, ServerFacts, State } from "./observation.ts";
import { FRESH_MS } from "./policy.ts";
import { heldSet, quorum, short } from "./state.ts";

type Seen = {
  readonly o: Observation;
  readonly state: State;
  readonly index: number;
  readonly server: ServerFacts;
  readonly me: string;
};

/** The next step of a change, or null: V and k are what the policy wishes, as far as nodes allow. */
export function membershipStep(seen: Seen): readonly Action[] | null {
  const { o } = seen;
  if (o.change !== null) return continueChange(seen, o.change);
  return (
    relax(seen) ??
    kickStrangers(seen) ??
    withoutAcks(seen) ??
    removeVoter(seen) ??
    addVoter(seen) ??
    adjustAcks(seen)
  );
}

const connected = (seen: Seen, uuid: string): boolean =>
  seen.server.dumpThreads.some((d) => d.uuid === uuid);

/** A voter whose acknowledgements can arrive: a dump thread outlives a host that fell silent by many minutes. */
const present = (seen: Seen, uuid: string): boolean =>
  connected(seen, uuid) && seen.o.absentSince[uuid] === undefined;

const peerOf = (seen: Seen, uuid: string): Peer | undefined =>
  seen.o.consul.peers.find((p) => p.uuid === uuid);

const others = (seen: Seen): readonly string[] => seen.state.voters.filter((v) => v !== seen.me);

function serverIdOf(seen: Seen, uuid: string): number | null {
  const dump = seen.server.dumpThreads.find((d) => d.uuid === uuid);
  // What it connected with may be nobody's; what is to be locked is its own.
  const connectedAs = dump?.serverId === COPY_ACCOUNT ? undefined : dump?.serverId;
  return connectedAs ?? peerOf(seen, uuid)?.serverId ?? null;
}

function commit(
  seen: Seen,
  change: Pick<Change, "kind" | "uuid" | "voters" | "acks">,
  why: string,
): readonly Action[] {
  const { kind, uuid, voters, acks } = change;
  const { state: from, index } = seen;
  return [{ do: "commit-change", kind, uuid, voters, acks, from, index, why }];
}

/** §7: a prepared change waits for its barrier: a heartbeat that *started* after the local half, acknowledged by k. */
function continueChange(seen: Seen, change: Change): readonly Action[] {
  const { o } = seen;
  if (change.stage === "sent")
    return commit(seen, change, "the answer to this change was lost: win it by the next CAS");
  if (change.kind === "alone") return commit(seen, change, "all others are cut: going on alone");
  const acked = o.heartbeat.ackedStart;
  if (acked !== null && acked > change.since)
    return commit(seen, change, "a heartbeat that started after the local half is acknowledged");
  if (change.kind === "acks-up" && o.now - change.since >= o.policy.aloneAfterMs) {
    const why = `nobody acknowledges for ${change.acks}: back to ${seen.state.acks}`;
    return [{ do: "lower-acks", acks: seen.state.acks, why }];
  }
  const why = `${change.kind}: waiting for the barrier heartbeat`;
  return withoutAcks(seen) ?? [{ do: "hold", why }];
}

/** A server that waits for more than Consul says, with no change under way, does so for nothing. */
function relax({ server, state }: Seen): readonly Action[] | null {
  const { sourceEnabled, waitFor } = server.semiSync;
  // Too few: primary.ts fences. The least that a server waits for is 1.
  if (!sourceEnabled || waitFor <= state.acks) return null;
  const why = `the server waits for ${waitFor}, k is ${state.acks}`;
  return [{ do: "lower-acks", acks: state.acks, why }];
}

/** Acks count only from V (I4): a semi-sync client outside V is disconnected. */
function kickStrangers(seen: Seen): readonly Action[] | null {
  const { server, state } = seen;
  if (!server.semiSync.sourceEnabled) return null;
  const strangers = server.dumpThreads.filter((d) => !state.voters.includes(d.uuid));
  const members = server.dumpThreads.length - strangers.length;
  if (strangers.length === 0 || server.semiSync.clients <= members) return null;
  const uuids = strangers.map((d) => d.uuid);
  return [{ do: "kick", uuids, why: "a semi-sync client outside V would be counted" }];
}

/** §7 fewer, alone: fewer than k voters acknowledge for `aloneAfter`, and the policy lets the primary go on. */
function withoutAcks(seen: Seen): readonly Action[] | null {
  const { o, state } = seen;
  // Whether Consul is there at all, primary.ts has asked.
  if (o.now >= o.consul.goodUntil) return null;
  const gone = others(seen).filter((v) => !present(seen, v));
  const useful = others(seen).length - gone.length;
  if (useful >= state.acks || !goneForGood(seen, gone)) return null;
  const down = stepDown(seen);
  if (down !== null) return down;
  // §7: a promoting primary may set V={me}, k=0 whatever minAcks says; it stays closed then (primary.ts).
  if (o.primacy?.stage === "open" && o.policy.minAcks > useful) return null;
  if (useful > 0) {
    const change = { kind: "acks-down", uuid: null, voters: state.voters, acks: useful } as const;
    return commit(seen, change, `only ${useful} voters acknowledge`);
  }
  return cutAll(seen, "no voter acknowledges: going on alone (minAcks 0)");
}

function cutAll(seen: Seen, why: string): readonly Action[] {
  const cut = others(seen).flatMap((uuid) => {
    const serverId = serverIdOf(seen, uuid);
    return serverId === null ? [] : [{ uuid, serverId }];
  });
  return [{ do: "cut-all", others: cut, why }];
}

/** A heartbeat that waits this long is not acknowledged; what else is known of voters is only a guess. */
const NOT_ACKNOWLEDGED_MS = 1_500;

/** They said so themselves; or nobody acknowledges, measured, and none of them has been there for `aloneAfter`. */
function goneForGood(seen: Seen, gone: readonly string[]): boolean {
  const { o } = seen;
  const saidSo = gone.every((v) => {
    const peer = peerOf(seen, v);
    return peer !== undefined && (peer.stopped || peer.needsRebuild);
  });
  if (saidSo) return true;
  const { waitingSince } = o.heartbeat;
  if (waitingSince === null || o.now - waitingSince < NOT_ACKNOWLEDGED_MS) return false;
  const since = gone.map((v) => o.absentSince[v] ?? o.now);
  return o.now - Math.max(...since) >= o.policy.aloneAfterMs;
}

/**
 * §3 "no acks": before it goes alone a primary makes room, where enough voters are well and only do not see it: the
 * path to it is cut, and one of them can be acknowledged by the others. With fewer the successor could not be either.
 */
function stepDown(seen: Seen): readonly Action[] | null {
  const { o, state } = seen;
  if (o.primacy?.stage !== "open") return null;
  const well = others(seen).filter((v) => {
    const p = peerOf(seen, v);
    if (p === undefined || p.ageMs > FRESH_MS || p.role !== "replica") return false;
    return !p.seesPrimary && !p.stopping && !p.needsRebuild && !p.noFailover;
  });
  // Those that do not see each other could not acknowledge one of them either.
  const able = well.filter((v) => {
    const reaches = peerOf(seen, v)?.reaches ?? [];
    return well.every((other) => other === v || reaches.includes(other));
  });
  if (able.length < Math.max(quorum(state), state.acks + 1)) return null;
  return [
    {
      do: "kill-mysqld",
      why: `${able.length} voters are well, see each other and not this primary: stepping down`,
    },
  ];
}

/** §7 remove: gone for `dropVoterAfter`, stopped for good, or holding data that cannot follow. */
function removeVoter(seen: Seen): readonly Action[] | null {
  const { o, state } = seen;
  const all = others(seen).filter((v) => {
    const peer = peerOf(seen, v);
    // An errant one leaves by itself; one that an operator wants rebuilt acknowledges until it is removed.
    if (peer?.needsRebuild === true && (!connected(seen, v) || peer.errant === "")) return true;
    if (peer?.amnesiac === true) return true;
    const since = o.absentSince[v];
    return since !== undefined && o.now - since >= o.policy.dropVoterAfterMs;
  });
  // An absent one first: one that acknowledges may have to wait until it is gone (found by simulation).
  const doomed = all.find((v) => !present(seen, v)) ?? all[0];
  const uuid = doomed ?? surplus(seen);
  if (uuid === undefined) return null;
  if (state.voters.length - 2 < state.acks) return fewerAcks(seen, uuid);
  // Never the one that acknowledges, while the others are not there.
  const left = others(seen).filter((v) => v !== uuid && present(seen, v));
  if (left.length < state.acks) return null;
  const serverId = serverIdOf(seen, uuid);
  if (serverId === null) return null;
  const voters = state.voters.filter((v) => v !== uuid);
  const why = `voter ${short(uuid)} ${doomed === undefined ? "is one too many" : "is gone, cannot follow, or is to be rebuilt"}`;
  return [{ do: "cut", uuid, serverId, voters, acks: state.acks, why }];
}

/**
 * A voter whose promise does not count, where V cannot spare it: k goes down first, for the moment until it is back. With
 * two nodes that is alone (§2 "not counted until readmitted").
 */
function fewerAcks(seen: Seen, uuid: string): readonly Action[] | null {
  const { o, state } = seen;
  if (o.primacy?.stage !== "open" || o.now >= o.consul.goodUntil) return null;
  const peer = peerOf(seen, uuid);
  if (peer?.amnesiac !== true || peer.ageMs > FRESH_MS) return null;
  const acks = state.acks - 1;
  if (o.policy.minAcks > acks) return null;
  const why = `voter ${short(uuid)} is amnesiac, and there is none to spare`;
  if (acks === 0) return cutAll(seen, why);
  const change = { kind: "acks-down", uuid: null, voters: state.voters, acks } as const;
  return commit(seen, change, why);
}

/** One voter more than the policy wishes: an absent one first. */
function surplus(seen: Seen): string | undefined {
  if (seen.state.voters.length <= seen.o.policy.voters) return undefined;
  const sorted = others(seen).toSorted();
  return sorted.find((v) => !present(seen, v)) ?? sorted.at(-1);
}

/** §7 add: a connected replica that is within one record interval of the head; V first, its flag after it reads that. */
function addVoter(seen: Seen): readonly Action[] | null {
  const { o, state } = seen;
  const replaceable = others(seen).some(
    (v) => o.absentSince[v] !== undefined || peerOf(seen, v)?.needsRebuild === true,
  );
  // One more than wished for a moment, where a lost voter cannot be removed first (§7 replace).
  const room = o.policy.voters + (replaceable && state.voters.length - 2 < state.acks ? 1 : 0);
  if (state.voters.length >= room || o.headBefore === "") return null;
  const head = gtidSet(o.headBefore);
  const ready = o.consul.peers.find(
    (p) =>
      !state.voters.includes(p.uuid) &&
      p.ageMs <= FRESH_MS &&
      p.epoch === state.epoch &&
      p.role === "replica" &&
      !p.stopping &&
      !p.needsRebuild &&
      !p.amnesiac &&
      connected(seen, p.uuid) &&
      contains(heldSet(p), head),
  );
  if (ready === undefined) return null;
  const voters = [...state.voters, ready.uuid];
  const change = { kind: "add", uuid: ready.uuid, voters, acks: state.acks } as const;
  return commit(seen, change, `${ready.node} has caught up`);
}

/** §7 k up: local first, barrier, CAS. k down: CAS first. */
function adjustAcks(seen: Seen): readonly Action[] | null {
  const { o, state, server } = seen;
  const wished = Math.min(o.policy.acks, state.voters.length - 1);
  if (state.acks > wished) {
    const change = { kind: "acks-down", uuid: null, voters: state.voters, acks: wished } as const;
    return commit(seen, change, `acks ${state.acks} → ${wished}`);
  }
  if (state.acks === wished) return null;
  const next = state.acks + 1;
  const ready = others(seen).filter((v) => {
    const peer = peerOf(seen, v);
    return connected(seen, v) && peer?.semiSync === true && peer.ageMs <= FRESH_MS;
  });
  if (ready.length < next) return null;
  if (server.semiSync.sourceEnabled && server.semiSync.clients < next) return null;
  return [
    {
      do: "raise-acks",
      acks: next,
      voters: state.voters,
      why: `${ready.length} voters acknowledge: acks ${state.acks} → ${next}`,
    },
  ];
}
