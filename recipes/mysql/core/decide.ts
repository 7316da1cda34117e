// The decision of one tick: first rule that answers wins, and the order of the rules is the safety argument.
// Pure: reads the observation only, never throws, never waits. "Do nothing" is a hold that says why.
import { hold, type Action } from "./action.ts";
import { beCandidate, endGhost, freeLock, tryElection } from "./electing.ts";
import { follow, answerCandidate } from "./following.ts";
import { bootstrapOrProvision, keepServerUp } from "./lifecycle.ts";
import type { Observation } from "./observation.ts";
import { bePrimary, endPrimacy } from "./primary.ts";
import { obeyOrder } from "./rebuild.ts";
import { joinedEpoch } from "./state.ts";
import { stopCluster, stopping } from "./stopping.ts";

export function decide(o: Observation): readonly Action[] {
  const actions = ladder(o);
  return actions.every((action) => action.do === "hold") ? [...whenIdle(o), ...actions] : actions;
}

function ladder(o: Observation): readonly Action[] {
  return (
    endPrimacy(o) ?? //           1 a mysqld that ended took its epoch with it
    stopCluster(o) ?? //          2 orders to stop, of the cluster and of this node
    stopping(o) ??
    olderConsul(o) ?? //          3 a Consul that went back in time is not obeyed
    bootstrapOrProvision(o) ?? // 4 no data: found a cluster or copy one
    endGhost(o) ?? //             5 our own lock of an agent's life before this one
    freeLock(o) ??
    obeyOrder(o) ?? //            an operator wants this data gone
    keepServerUp(o) ?? //         no server: start it, closed
    answerCandidate(o) ?? //      6 a newer epoch asks for our promise (fences an old primary)
    bePrimary(o) ?? //            7 then duty
    beCandidate(o) ??
    follow(o) ?? //               8 then routine
    tryElection(o) ?? //          9 then ambition
    hold("waiting: no primary, and nothing that this node may do about it")
  );
}

/** §7 "Consul wiped or restored": refuse everything until a person has looked. An open primary stays as it is. */
function olderConsul(o: Observation): readonly Action[] | null {
  const { consul, promise } = o;
  if (!consul.loaded) return null;
  const state = consul.state?.value;
  const known = promise.ver > 0 || promise.seenEpoch > 0;
  const inData =
    o.server !== null && o.markerUuid !== null ? joinedEpoch(o.server, o.markerUuid) : 0;
  if (state === undefined) {
    if (!known) return null;
    return hold(
      "Consul has no state of this cluster, but this node has seen one: waiting for a person",
      "AP_STATE_OLDER",
    );
  }
  if (state.ver < promise.ver || state.epoch < promise.seenEpoch || state.epoch < inData)
    return hold(
      `Consul's state (ver ${state.ver}, epoch ${state.epoch}) is older than what this node has seen (ver ${promise.ver}, epoch ${Math.max(promise.seenEpoch, inData)}): waiting for a person`,
      "AP_STATE_OLDER",
    );
  return null;
}

/** Housekeeping that must happen and can wait for a quiet tick. */
function whenIdle(o: Observation): readonly Action[] {
  const state = o.consul.state?.value;
  // An election is no quiet moment: its promise carries these numbers anyway.
  if (state?.phase !== "open" || o.datadir.kind !== "ready") return [];
  const { ver, epoch } = state;
  const newer = ver > o.promise.ver || epoch > o.promise.seenEpoch;
  const regressed = ver < o.promise.ver || epoch < o.promise.seenEpoch;
  const actions: Action[] = [];
  if (newer && !regressed) actions.push({ do: "note-state", ver, epoch });
  if (o.datadir.bootstrap !== null && o.datadir.bootstrap === o.consul.initialize && epoch > 0)
    actions.push({ do: "finish-bootstrap", why: "Consul knows the cluster" });
  return actions;
}
