// What follows from the key `state` alone (PROTOCOL §1): quorum sizes, markers, and who is the candidate.
// The quorum is always computed from V and k, never stored.
import { gtidSet, maxOf, union, type GtidSet } from "./gtid.ts";
import type { GtidFacts, Observation, Peer, State } from "./observation.ts";

/** q = N − k: promises that an election needs (§1). */
export function quorum(state: Pick<State, "voters" | "acks">): number {
  return state.voters.length - state.acks;
}

/** set(x) = Retrieved ∪ Executed (§1). */
export function heldSet(facts: GtidFacts): GtidSet {
  return union(gtidSet(facts.executed), gtidSet(facts.retrieved));
}

/** joined(x): the newest epoch whose marker is in the set; 0 when there is none (§1). */
export function joinedEpoch(facts: GtidFacts, markerUuid: string): number {
  const { executed, retrieved } = facts;
  return Math.max(maxOf(gtidSet(executed), markerUuid), maxOf(gtidSet(retrieved), markerUuid));
}

/** The last *published* primary, which the state carries through elections (§4 step 2). */
export function lastPublished(state: State): string | null {
  return state.primary ?? state.prevPrimary;
}

/** The state that a candidate writes to raise the epoch: V and k stay as they are (§4 step 2). */
export function raised(state: State): State {
  return {
    ver: state.ver + 1,
    epoch: state.epoch + 1,
    phase: "electing",
    primary: null,
    prevPrimary: lastPublished(state),
    voters: state.voters,
    acks: state.acks,
  };
}

/** The state that publishes the winner (§4 step 8). */
export function published(state: State, uuid: string): State {
  return { ...state, ver: state.ver + 1, phase: "promoting", primary: uuid };
}

/** The state of an open primary (§4 step 10). */
export function opened(state: State): State {
  return { ...state, ver: state.ver + 1, phase: "open" };
}

/** The state after a change of membership: only a published primary makes one (§7). */
export function changed(state: State, voters: readonly string[], acks: number): State {
  return { ...state, ver: state.ver + 1, voters: [...voters].toSorted(), acks };
}

/** The first state of a cluster (§7 Bootstrap): its founder alone, before epoch 1. */
export function founded(uuid: string): State {
  return {
    ver: 1,
    epoch: 0,
    phase: "electing",
    primary: null,
    prevPrimary: null,
    voters: [uuid],
    acks: 0,
  };
}

/** True while our session holds the lock. */
export function holdsLock(o: Observation): boolean {
  const { leader, session } = o.consul;
  return session !== null && leader !== null && leader.session === session;
}

/**
 * True while this node is the one candidate of the epoch in `state`: it holds the lock with a value that names this
 * uuid and this epoch. Derived from Consul alone, so that a lost answer to the CAS needs no memory (I1).
 */
export function isCandidate(o: Observation): boolean {
  const state = o.consul.state?.value;
  const value = o.consul.leader?.value;
  return (
    holdsLock(o) &&
    state?.phase === "electing" &&
    // Epoch 0 is the founder's, before any election: nobody is its candidate.
    state.epoch > 0 &&
    value?.held === true &&
    value.uuid === o.me.uuid &&
    value.epoch === state.epoch
  );
}

/**
 * True when the published primary's marker is acknowledged: its data is what the cluster goes on with. Open, or still
 * closed because minAcks asks for more voters (§7): these have to be able to come.
 */
export function isSettled(state: State, peers: readonly Peer[]): boolean {
  if (state.phase === "open") return true;
  const primary = peers.find((peer) => peer.uuid === state.primary);
  return (
    state.phase === "promoting" && primary?.epoch === state.epoch && primary.state === "marked"
  );
}

/** The number of digits that people need to tell uuids apart. */
export function short(uuid: string): string {
  return uuid.slice(0, 8);
}
