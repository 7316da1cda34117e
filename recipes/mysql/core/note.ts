// What a node knows of `state` without Consul (PROTOCOL §7a "the note"): the newest that it has read, and, of a published
// primary, the one that it is about to write. It stands beside the promise and is durable before anybody acts on it.
import type { PromiseFacts, State } from "./observation.ts";

/** The promise file after this `state` was read; `pending`: a change that is about to be sent. Nothing in it decreases. */
export function noting(
  promise: PromiseFacts,
  state: State,
  pending: State | null = promise.pending ?? null,
): PromiseFacts {
  const before = promise.noted ?? null;
  const noted = before !== null && before.ver > state.ver ? before : state;
  return {
    ...promise,
    ver: Math.max(promise.ver, state.ver),
    seenEpoch: Math.max(promise.seenEpoch, state.epoch),
    noted,
    // Whatever came at its version or later has decided it.
    pending: pending !== null && pending.ver > noted.ver ? pending : null,
  };
}

/** True when this configuration is noted: acting on it needs no further write. */
export function isNoted({ noted }: PromiseFacts, state: State): boolean {
  if (noted === undefined || noted === null || noted.epoch !== state.epoch) return false;
  const same = noted.acks === state.acks && noted.voters.length === state.voters.length;
  return same && noted.voters.every((voter) => state.voters.includes(voter));
}

/**
 * The configuration that is safe whichever of the two is true: every set of acknowledgements that one of them counted
 * meets every quorum of it. Going alone was not acted upon before it was known, so the old one holds.
 */
export function careful(noted: State, pending: State | null): Pick<State, "voters" | "acks"> {
  const { voters, acks } = noted;
  if (pending === null || pending.voters.length === 1) return { voters, acks };
  const both = [...new Set([...voters, ...pending.voters])].toSorted();
  return { voters: both, acks: Math.min(acks, pending.acks) };
}
