// Leaving is designed (PROTOCOL §6 stop): SIGTERM to the agent means hand over, or KILL all clients and then SIGTERM
// mysqld; mysqld never gets the signal first, because a client would see a false OK (S5).
import { hold, type Action } from "./action.ts";
import type { Observation } from "./observation.ts";
import { HAND_OVER_WITHIN_MS } from "./policy.ts";
import { holdsLock, isCandidate, lastPublished } from "./state.ts";
import { successor } from "./switchover.ts";

/** The wish that the whole cluster stops: from the moment it is seen this node is stopping, for good. */
export function stopCluster(o: Observation): readonly Action[] | null {
  if (o.me.stopping || !wished(o)) return null;
  return [{ do: "begin-stop", why: "the whole cluster is to stop" }];
}

const wished = (o: Observation): boolean => o.consul.intents.some((i) => i.verb === "stop-cluster");

export function stopping(o: Observation): readonly Action[] | null {
  if (!o.me.stopping) return null;
  if (o.job?.running === true)
    return [
      {
        do: "finish-stop",
        why: "stopping: unfinished work on the datadir is left to be done anew",
      },
    ];
  if (!o.process.running) return [{ do: "finish-stop", why: "mysqld has ended" }];
  if (o.server === null && o.primacy === null) return [{ do: "stop-mysqld", why: "stopping" }];
  if (o.primacy !== null) return primaryStops(o);
  if (isCandidate(o))
    return [{ do: "release-lock", prefer: null, closed: false, gaveUp: false, why: "stopping" }];
  return replicaStops(o);
}

function primaryStops(o: Observation): readonly Action[] | null {
  const state = o.consul.state?.value;
  const { primacy, switchover } = o;
  const late = o.me.stoppingSince !== null && o.now - o.me.stoppingSince > HAND_OVER_WITHIN_MS;
  if (state === undefined || late || wished(o) || !o.consul.reachable)
    return [
      {
        do: "stop-mysqld",
        why: wished(o) ? "the primary stops first" : "stopping without a successor",
      },
    ];
  // A newer epoch, or our own drain and hand-over, goes on by its own rules.
  if (switchover !== null || state.epoch > (primacy?.epoch ?? 0)) return null;
  if (primacy?.stage !== "open") return [{ do: "stop-mysqld", why: "stopping before it was open" }];
  const to = successor(o, state, null);
  if ("no" in to) return [{ do: "stop-mysqld", why: `stopping without a successor: ${to.no}` }];
  return [
    {
      do: "drain",
      intent: null,
      to: to.peer.uuid,
      why: `stopping: handing over to ${to.peer.node}`,
    },
  ];
}

/** A replica stops at once, but while the whole cluster stops the primary goes first, so that nobody is left waiting. */
function replicaStops(o: Observation): readonly Action[] | null {
  const state = o.consul.state?.value;
  const forMs = o.me.stoppingSince === null ? 0 : o.now - o.me.stoppingSince;
  const stop: readonly Action[] = [{ do: "stop-mysqld", why: "stopping" }];
  if (state === undefined || forMs > HAND_OVER_WITHIN_MS || !o.consul.reachable) return stop;
  if (wished(o)) {
    const primary = o.consul.peers.find((p) => p.uuid === lastPublished(state));
    const gone = primary === undefined || primary.stopped || primary.ageMs > 5_000;
    return gone || state.primary === o.me.uuid ? stop : hold("stopping: the primary goes first");
  }
  // The old primary helps the successor to its quorum and its first acknowledgement (§6).
  if (o.switchover === null || holdsLock(o)) return stop;
  return state.phase === "open" && state.primary !== o.me.uuid ? stop : null;
}
