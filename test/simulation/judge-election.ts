// Whether a node may publish itself (PROTOCOL.md §4 steps 4 to 6, I6), from what it saw itself, and with nothing of the
// product's own arithmetic.
import type { GtidFacts, Observation } from "../../recipes/mysql/core/observation.ts";
import { Gtids } from "./gtids.ts";

/** Null: it may. */
export function wronglyElected(o: Observation): string | null {
  const state = o.consul.state?.value;
  if (state === undefined || o.server === null || o.markerUuid === null) return "it sees nothing";
  const { markerUuid } = o;
  const promises = o.consul.promises.filter(
    (p) => p.epoch === state.epoch && state.voters.includes(p.uuid) && !p.amnesiac,
  );
  const others = promises.filter((p) => p.uuid !== state.prevPrimary).length;
  const need = state.voters.length - state.acks;
  if (others < need && others === promises.length)
    return `${others} of ${need} promises for epoch ${state.epoch}`;
  const sets = promises.map(setOf);
  const newest = Math.max(...sets.map((set) => set.last(markerUuid)));
  const mine = Gtids.parse(o.server.executed);
  if (mine.last(markerUuid) < newest)
    return `it joined ${mine.last(markerUuid)}, another that promised joined ${newest}`;
  for (const set of sets) {
    const lacks = set.last(markerUuid) === newest ? set.missingIn(mine) : null;
    if (lacks !== null) return `it has not applied ${lacks}, which was promised`;
  }
  return null;
}

function setOf({ executed, retrieved }: GtidFacts): Gtids {
  const set = Gtids.parse(executed);
  set.addAll(Gtids.parse(retrieved));
  return set;
}
