// `autopilot failover` (PROTOCOL §7a): an operator's election while there is no primary, and the override of it where the
// promises cannot suffice. Judged from the nodes' answers; refused while anybody here knows of a living primary.
import {
  answeredBy,
  eligible,
  greatest,
  incomparable,
  lossOf,
  nameIn,
  preferred,
  refuse,
  type Answered,
  type Asked,
  type Refusal,
  type Rewrite,
} from "./answers.ts";
import { contains } from "./gtid.ts";
import type { State } from "./records.ts";
import { heldSet, lastPublished, quorum } from "./state.ts";

export type FailoverWish = Asked & {
  readonly to: string | null;
  readonly accept: boolean;
  /** The node that the operator says is switched off. */
  readonly off: string | null;
};

export type Failover =
  | Refusal
  | Rewrite
  /** The promises suffice: an election like any other, begun by `actor`. */
  | { readonly kind: "elect"; readonly actor: Answered };

const ACCEPT = "--accept-data-loss";

export function judgeFailover(wish: FailoverWish): Failover {
  const { state, records } = wish;
  const here = answeredBy(wish).filter((n) => !n.amnesiac);
  if (state === null) return refuse("Consul has no state of this cluster: see `autopilot adopt`");
  if (here.some((n) => n.seenVer > state.ver || Math.max(n.seenEpoch, n.joined) > state.epoch))
    return refuse("Consul's state is older than what nodes have seen: see `autopilot adopt`");
  const alive = whoReigns(wish, state);
  if (alive !== null) return refuse(alive);
  const last = lastPublished(state);
  const promisers = here.filter((n) => state.voters.includes(n.uuid));
  const others = promisers.filter((n) => n.uuid !== last);
  const own = promisers.some((n) => n.uuid === last);
  if (own || others.length >= quorum(state)) return election(wish, promisers);
  const missing = state.voters.filter((v) => promisers.every((n) => n.uuid !== v));
  const names = missing.map((v) => nameIn(records, v)).join(", ");
  const reasons = [
    `${others.length} voters can promise, ${quorum(state)} are needed; missing or amnesiac: ${names}`,
    ...(last === null ? [] : [`or the last primary's own promise: ${nameIn(records, last)}`]),
  ];
  if (!wish.accept) return refuse("nobody can be elected now", reasons, ACCEPT);
  return override(wish, state, here, reasons);
}

/** A primary that lives, as far as anybody here can tell; null: there is none. */
function whoReigns(wish: FailoverWish, state: State): string | null {
  const all = answeredBy(wish);
  const open = all.find((n) => n.answer.open);
  if (open !== undefined)
    return `${open.node} is primary and open: use \`autopilot switchover\`, or stop it first`;
  const seer = all.find((n) => n.seesPrimary && n.epoch === state.epoch);
  return seer === undefined
    ? null
    : `the primary is alive: its transactions still arrive at ${seer.node}`;
}

function election(wish: FailoverWish, promisers: readonly Answered[]): Failover {
  const { holders } = greatest(promisers);
  if (holders.length === 0) return incomparable(promisers);
  const able = promisers.filter(eligible);
  const best = able.filter((n) => holders.includes(n));
  const { to } = wish;
  if (to !== null) return named(to, promisers, best);
  // Where no holder may win, one that may copies the rest from it (§4 step 5).
  const actor = preferred(best) ?? preferred(able);
  if (actor === null) return refuse("every voter here is tagged nofailover or stopping");
  return { kind: "elect", actor };
}

function named(
  to: string,
  pool: readonly Answered[],
  best: readonly Answered[],
): Refusal | { readonly kind: "elect"; readonly actor: Answered } {
  const actor = best.find((n) => n.node === to);
  if (actor !== undefined) return { kind: "elect", actor };
  const found = pool.find((n) => n.node === to);
  if (found === undefined) return refuse(`${to} is no voter that has answered`);
  if (!eligible(found)) return refuse(`${to} is tagged nofailover or stopping`);
  const held = greatest(pool).holders.map((n) => n.node);
  return refuse(`${to} does not hold what ${held.join(", ")} holds`);
}

/** The greatest set of all that is here wins; all that answered have to promise, so that none of them serves an older epoch. */
function override(
  wish: FailoverWish,
  state: State,
  here: readonly Answered[],
  reasons: readonly string[],
): Failover {
  if (here.length === 0) return refuse("no node with data has answered", reasons);
  const off = stillAcknowledged(wish, state, here);
  if (off !== null) return off;
  const { holders, target } = greatest(here);
  if (holders.length === 0) return incomparable(here);
  const able = holders.filter(eligible);
  const actor = wish.to === null ? preferred(able) : able.find((n) => n.node === wish.to);
  if (actor === undefined || actor === null || !contains(heldSet(actor), target))
    return refuse(
      `${wish.to ?? "no node that may win"} does not hold the most of what is here: ${holders.map((n) => n.node).join(", ")}`,
    );
  const next: State = {
    ver: state.ver + 1,
    epoch: state.epoch + 1,
    phase: "electing",
    primary: null,
    prevPrimary: null,
    voters: here.map((n) => n.uuid).toSorted(),
    acks: 0,
  };
  return { kind: "rewrite", how: "loss", actor, next, reasons, loss: lossOf(wish, here) };
}

/** The last primary is missing, and so are k voters that could acknowledge it: only the operator can know. */
function stillAcknowledged(
  wish: FailoverWish,
  state: State,
  here: readonly Answered[],
): Refusal | null {
  const last = lastPublished(state);
  if (last === null || here.some((n) => n.uuid === last)) return null;
  const unseen = state.voters.filter((v) => v !== last && here.every((n) => n.uuid !== v));
  if (unseen.length < state.acks) return null;
  const name = nameIn(wish.records, last);
  if (wish.off === name || wish.off === last) return null;
  const who = unseen.map((v) => nameIn(wish.records, v));
  const by = state.acks === 0 ? "it needs no acknowledgement" : `${who.join(", ")} may acknowledge`;
  return refuse(
    `${name}, the last primary, may still accept writes: ${by}`,
    [`switch it off, and say so: --primary-is-off ${name}`],
    `--primary-is-off ${name}`,
  );
}
