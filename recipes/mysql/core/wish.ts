// An operator's wish for `adopt` or `failover` as one node sees it (PROTOCOL §7a): every node answers in its record, the one
// that the wish names judges all answers again and acts, and whoever is primary afterwards says how it went.
import { hold, type Action } from "./action.ts";
import { judgeAdoption } from "./adoption.ts";
import type { Asked, Rewrite } from "./answers.ts";
import { mayNotElect } from "./candidate.ts";
import type { Intent, Observation, State, WishAnswer } from "./observation.ts";
import { judgeFailover } from "./override.ts";
import { holdsLock, isCandidate, lastPublished } from "./state.ts";

const isWish = (i: Intent): boolean =>
  (i.verb === "adopt" || i.verb === "failover") && i.outcome === null;

/** This node's answer, for its record; null: nothing is asked, or its data cannot be read now. */
export function wishAnswer(o: Observation): WishAnswer | null {
  const wish = o.consul.intents.find(isWish);
  if (wish === undefined || o.server === null || o.datadir.kind !== "ready") return null;
  return {
    intent: wish.id,
    clusterId: o.datadir.clusterId,
    open: o.primacy?.stage === "open",
    noted: o.promise.noted ?? null,
    pending: o.promise.pending ?? null,
  };
}

/** Answers that are older than this may lack our own. */
const READ_WITHIN_MS = 1_000;

/** The wish names this node: it acts, or says why not. */
export function obeyWish(o: Observation): readonly Action[] | null {
  const wish = o.consul.intents.find((i) => isWish(i) && i.uuid !== null && i.uuid === o.me.uuid);
  if (wish === undefined || !o.consul.loaded) return null;
  const { session, peers, peersAgeMs } = o.consul;
  const state = o.consul.state?.value ?? null;
  const published = state !== null && state.phase !== "electing" && state.epoch > wish.epoch;
  // An election is under way, or has its winner: it goes its way, and the primary that comes of it tells.
  if (isCandidate(o) || published) return null;
  if (judgedAs(state) !== wish.judged)
    return answer(wish, "the cluster's state has changed meanwhile");
  if (session === null) return hold(`${wish.verb}: waiting for a Consul session`);
  const read = peersAgeMs !== null && peersAgeMs <= READ_WITHIN_MS;
  if (!read || peers.every((p) => p.uuid !== o.me.uuid || p.answer?.intent !== wish.id))
    return hold(`${wish.verb}: reading what all nodes know`);
  return wish.verb === "adopt" ? adopt(o, wish) : failover(o, wish);
}

/** Elections without a result change nothing of it: a candidate never changes V or k (§4 step 2). */
export function judgedAs(state: State | null): string {
  if (state === null) return "no state";
  return JSON.stringify([lastPublished(state), state.voters, state.acks]);
}

function asked(o: Observation, { id }: Intent): Asked {
  const { state, initialize, peers } = o.consul;
  return { intent: id, state: state?.value ?? null, initialize, records: peers };
}

function answer({ id }: Intent, why: string): readonly Action[] {
  return [{ do: "answer-intent", intent: id, ok: false, why }];
}

function adopt(o: Observation, wish: Intent): readonly Action[] {
  const verdict = judgeAdoption(asked(o, wish));
  if (verdict.kind === "refuse") return answer(wish, verdict.why);
  return rewrite(o, wish, verdict);
}

function failover(o: Observation, wish: Intent): readonly Action[] | null {
  const { accept = false, off = null, to } = wish;
  const verdict = judgeFailover({ ...asked(o, wish), accept, off, to });
  if (verdict.kind === "refuse") return answer(wish, verdict.why);
  if (verdict.kind === "rewrite") return rewrite(o, wish, verdict);
  const entry = o.consul.state;
  // Begun already: from here on it is an election like any other, with its back-off.
  if (entry !== null && entry.value.epoch > wish.epoch) return null;
  if (entry === null || verdict.actor.uuid !== o.me.uuid)
    return answer(wish, `${verdict.actor.node} is the one to elect`);
  // An operator's election is not the cluster's own decision: a pause does not forbid it.
  const no = mayNotElect({ ...o, consul: { ...o.consul, paused: false } }, entry.value);
  if (no !== null) return answer(wish, no);
  const why = `${wish.by} wishes an election`;
  return [...endOthers(o), { do: "elect", from: entry.value, index: entry.index, why }];
}

function rewrite(o: Observation, wish: Intent, verdict: Rewrite): readonly Action[] {
  const { actor, how, next, loss } = verdict;
  if (actor.uuid !== o.me.uuid) return answer(wish, `${actor.node} is the one to do it`);
  if (how === "loss" && wish.accept !== true)
    return answer(wish, `data may be lost: ${verdict.reasons.join("; ")}`);
  // What the record said of this node is up to two seconds old.
  const open = o.primacy?.stage === "open";
  if (how === "keep" && !(open && o.primacy?.epoch === next.epoch))
    return answer(wish, "this node is not the open primary any more");
  const index = o.consul.state?.index ?? 0;
  const why = `${wish.verb} by ${wish.by}: ${SAYS[how]}`;
  return [...endOthers(o), { do: "rewrite-state", intent: wish.id, how, next, index, loss, why }];
}

const SAYS = {
  keep: "the primary writes its own last state again",
  elect: "an election without loss",
  loss: "an election that may lose acknowledged writes, which was accepted",
} as const;

/** A lock that a session of before, or of a lost primary, still holds: ending it costs a failover at most, never data. */
function endOthers(o: Observation): readonly Action[] {
  const session = o.consul.leader?.session ?? null;
  if (session === null || holdsLock(o)) return [];
  return [{ do: "end-session", session, why: "an operator's wish takes the lock" }];
}

/** The primary that came of it says so. */
export function tellOutcome(o: Observation): readonly Action[] {
  const state = o.consul.state?.value;
  if (o.primacy?.stage !== "open" || state?.primary !== o.me.uuid || !holdsLock(o)) return [];
  return o.consul.intents
    .filter((i) => isWish(i) && i.epoch < state.epoch && o.primacy?.epoch === state.epoch)
    .map((i) => ({
      do: "answer-intent",
      intent: i.id,
      ok: true,
      why: `${o.me.node} is primary at epoch ${state.epoch}`,
    }));
}
