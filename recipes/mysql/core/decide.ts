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
import { obeyWish, tellOutcome } from "./wish.ts";

export function decide(o: Observation): readonly Action[] {
  const actions = ladder(o);
  return actions.every((action) => action.do === "hold") ? [...whenIdle(o), ...actions] : actions;
}

function ladder(o: Observation): readonly Action[] {
  return (
    endPrimacy(o) ?? //           1 a mysqld that ended took its epoch with it
    stopCluster(o) ?? //          2 orders to stop, of the cluster and of this node
    stopping(o) ??
    recall(o) ?? //               whose datadir this is, and what it said before
    obeyWish(o) ?? //             3 what only a person may order
    olderConsul(o) ?? //            a Consul that went back in time is not obeyed
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

/**
 * §7 "Consul wiped or restored": refuse everything until a person has looked. An open primary stays as it is; a server
 * that is down is started, closed, because its data is what `adopt` asks for.
 */
function olderConsul(o: Observation): readonly Action[] | null {
  const why = isOlder(o);
  if (why === null) return null;
  const start = o.datadir.kind === "ready" && o.primacy === null ? keepServerUp(o) : null;
  return (
    start ?? hold(`${why}: waiting for a person, who may \`autopilot adopt\``, "AP_STATE_OLDER")
  );
}

function isOlder(o: Observation): string | null {
  const { consul, promise } = o;
  if (!consul.loaded) return null;
  const state = consul.state?.value;
  const inData =
    o.server !== null && o.markerUuid !== null ? joinedEpoch(o.server, o.markerUuid) : 0;
  if (state === undefined) {
    if (promise.ver === 0 && promise.seenEpoch === 0) return null;
    return "Consul has no state of this cluster, but this node has seen one";
  }
  const epoch = Math.max(promise.seenEpoch, inData);
  if (state.ver < promise.ver || state.epoch < epoch)
    return `Consul's state (ver ${state.ver}, epoch ${state.epoch}) is older than what this node has seen (ver ${promise.ver}, epoch ${epoch})`;
  // A node that slept through the newer states knows it from the others (observe.ts has read `state` after the records).
  const knows = consul.peers.find((p) => p.seenVer > state.ver || p.seenEpoch > state.epoch);
  if (knows === undefined) return null;
  return `Consul's state (ver ${state.ver}, epoch ${state.epoch}) is older than what ${knows.node} has seen (ver ${knows.seenVer}, epoch ${knows.seenEpoch})`;
}

/**
 * §2 "back in time", "twice": a promise raised before Consul's memory of this uuid was read would hide what its disk has
 * lost; and a copy of a datadir ends no session, starts no server and says nothing while the other one runs.
 */
function recall({ me, datadir, consul, primacy }: Observation): readonly Action[] | null {
  if (me.recalled || primacy !== null || me.uuid === null || datadir.kind !== "ready") return null;
  if (!consul.loaded) return hold(`waiting for Consul: ${consul.error ?? "not read yet"}`);
  if (me.elsewhere === null) return hold("reading what Consul remembers of this node");
  const { node, host, port, lives } = me.elsewhere;
  const who = `${node} (${host}:${port})`;
  if (!lives) return hold(`this datadir was last run by ${who}: looking whether it still is`);
  const what = `${who} runs a datadir with the same server_uuid ${me.uuid}`;
  return hold(`${what}: stop one of them, or empty this directory`, "AP_DATADIR_TWICE");
}

/** Housekeeping that must happen and can wait for a quiet tick. */
function whenIdle(o: Observation): readonly Action[] {
  const state = o.consul.state?.value;
  // An election is no quiet moment: its promise carries these numbers anyway.
  if (state?.phase !== "open" || o.datadir.kind !== "ready") return [];
  const { ver, epoch } = state;
  const newer = ver > o.promise.ver || epoch > o.promise.seenEpoch;
  const regressed = ver < o.promise.ver || epoch < o.promise.seenEpoch;
  const actions: Action[] = [...tellOutcome(o)];
  if (newer && !regressed) actions.push({ do: "note-state", state });
  if (o.datadir.bootstrap !== null && o.datadir.bootstrap === o.consul.initialize && epoch > 0)
    actions.push({ do: "finish-bootstrap", why: "Consul knows the cluster" });
  return actions;
}
