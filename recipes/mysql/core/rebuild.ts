// Giving up this node's data for a new copy (PROTOCOL §7 "Rebuild"): when it is safe, and what an operator's order to do
// so means. The node itself obeys: it says so in its record, the primary takes it out of V, it wipes and comes back.
import type { Action } from "./action.ts";
import { contains, gtidSet, parseGtidSet } from "./gtid.ts";
import type { Intent, Observation, Peer, State } from "./observation.ts";
import { FRESH_MS } from "./policy.ts";
import { heldSet, isSettled } from "./state.ts";

/** What others' records say, and the position of the primary that they are compared with. */
export type Holders = {
  readonly me: string;
  readonly peers: readonly Peer[];
  readonly markerUuid: string | null;
  readonly position: Observation["position"];
};

/**
 * §7: only a non-voter is wiped, under a primary whose marker is committed, and only when k other voters hold that
 * primary's position (not asked when V is the primary alone). Null: it is safe; else what is missing.
 */
export function notYetSafe(
  state: State,
  { me, peers, markerUuid, position }: Holders,
): string | null {
  const { epoch, primary: published, voters, acks } = state;
  if (published === null || published === me) return "no other node is the published primary";
  if (voters.includes(me)) return "this node is still in V";
  const primary = peers.find((peer) => peer.uuid === published);
  if (primary?.epoch !== epoch) return "the primary of this epoch has not reported";
  const committed = `${markerUuid ?? ""}:${epoch}`;
  if (markerUuid === null || !contains(gtidSet(primary.executed), gtidSet(committed)))
    return `the marker of epoch ${epoch} is not committed`;
  const others = voters.filter((voter) => voter !== published);
  if (others.length === 0) return null;
  if (position?.epoch !== epoch) return "the primary's position is not known yet";
  const wanted = gtidSet(position.executed);
  const holders = peers.filter((peer) => {
    if (!others.includes(peer.uuid) || !contains(heldSet(peer), wanted)) return false;
    // What one that forgot says is on its disk now; what it had lost is there again when it holds the primary's last word.
    return !peer.amnesiac || contains(heldSet(peer), gtidSet(primary.executed));
  });
  if (holders.length >= acks) return null;
  return `${holders.length} of ${acks} other voters hold the primary's position`;
}

/** The position to compare with: the primary's, as its record said it first in this epoch with its marker in it. */
export function positionOf(
  state: State,
  { peers, markerUuid, position }: Omit<Holders, "me">,
): Observation["position"] {
  if (position?.epoch === state.epoch) return position;
  const primary = peers.find((peer) => peer.uuid === state.primary);
  if (primary?.epoch !== state.epoch || markerUuid === null) return null;
  const marker = parseGtidSet(`${markerUuid}:${state.epoch}`);
  if (marker === null || !contains(gtidSet(primary.executed), marker)) return null;
  return { epoch: state.epoch, executed: primary.executed };
}

/** An operator's order to rebuild this very datadir, not answered yet. */
export function orderOf(o: Pick<Observation, "consul" | "me">): Intent | null {
  const mine = (i: Intent): boolean => i.verb === "rebuild" && i.outcome === null;
  return o.consul.intents.find((i) => mine(i) && i.uuid !== null && i.uuid === o.me.uuid) ?? null;
}

/** The order stands: this node is on its way out of V, and of its data. */
export function isOrdered(o: Observation): boolean {
  return o.datadir.kind === "ready" && orderOf(o) !== null && refusal(o) === null;
}

/** Why the order cannot be obeyed now. */
function refusal(o: Observation): string | null {
  const state = o.consul.state?.value;
  if (o.consul.paused) return "the cluster is paused, no voter can be removed: resume it first";
  if (o.primacy !== null || state?.primary === o.me.uuid)
    return "it is the primary: switch over first";
  if (state === undefined || o.candidateSince !== null || !isSettled(state, o.consul.peers))
    return "there is no open primary to copy from";
  if (o.me.uuid === null || !state.voters.includes(o.me.uuid)) return null;
  return withoutMe(o, state);
}

/** Whether the other voters can carry on without this one. */
function withoutMe(o: Observation, state: State): string | null {
  const others = state.voters.filter((v) => v !== o.me.uuid && v !== state.primary);
  const able = others.filter((v) => {
    const p = o.consul.peers.find((peer) => peer.uuid === v);
    if (p === undefined || p.ageMs > FRESH_MS || p.role !== "replica") return false;
    return p.epoch === state.epoch && !p.needsRebuild && !p.amnesiac && !p.stopping;
  });
  if (able.length >= state.acks) return null;
  return `it is a voter, and without it ${able.length} could acknowledge where ${state.acks} must: it would stop writes`;
}

/** Refuses, or sets the datadir aside as soon as that is safe; until then this node goes on as it is. */
export function obeyOrder(o: Observation): readonly Action[] | null {
  const order = orderOf(o);
  const state = o.consul.state?.value;
  if (order === null || o.datadir.kind !== "ready") return null;
  const no = refusal(o);
  if (no !== null) return [{ do: "answer-intent", intent: order.id, ok: false, why: no }];
  if (state === undefined || o.me.uuid === null || failedLately(o)) return null;
  if (notYetSafe(state, { ...o, me: o.me.uuid, peers: o.consul.peers }) !== null) return null;
  return [{ do: "set-aside", intent: order.id, why: `an operator asked (${order.by})` }];
}

/** Setting aside failed, and is tried again later. */
export function failedLately(o: Observation): boolean {
  return o.job?.name === "set-aside" && o.job.failure !== null && o.now < o.job.retryAt;
}

/** A replica under a new uuid: the order that its data was wiped for has its outcome. */
export function reportRebuilt(o: Observation, state: State): readonly Action[] | null {
  const order = o.consul.intents.find(
    (i) => i.verb === "rebuild" && i.outcome === null && i.to === o.me.node && i.uuid !== o.me.uuid,
  );
  const source = o.server?.source;
  if (order === undefined || o.me.uuid === null || source?.io !== "Yes" || source.sql !== "Yes")
    return null;
  const voter = state.voters.includes(o.me.uuid);
  const full = state.voters.length >= o.policy.voters;
  if (order.rebuild?.voter === true && !voter && !full) return null;
  const as = voter ? "a voter again" : "not a voter";
  const why = `${o.me.node} replicates again, ${as}, as ${o.me.uuid}`;
  return [{ do: "answer-intent", intent: order.id, ok: true, why }];
}
