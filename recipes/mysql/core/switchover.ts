// Planned switchover (PROTOCOL §6): check, drain, wait for the candidate, release with a preference. The old primary
// stays closed and answers the election with its own fenced promise, which replaces the whole quorum.
import type { Action } from "./action.ts";
import type { Intent, Observation, Peer, Primacy, State } from "./observation.ts";
import { DRAIN_WITHIN_MS, FRESH_MS } from "./policy.ts";
import { holdsLock } from "./state.ts";

/** Replicas further behind than this would stretch the write stop: refused, try again later. */
const MAX_LAG_SECONDS = 5;
/** The old primary answers when it follows the new one, which takes a fraction of this. */
const ANSWER_OF_THE_OLD_MS = 3_000;

/** Answers an operator's wish, or goes on with the one that was begun. */
export function switchover(
  o: Observation,
  primacy: Primacy,
  state: State,
): readonly Action[] | null {
  if (o.switchover !== null) return goOn(o, primacy, state, o.switchover.to);
  if (primacy.stage !== "open" || o.change !== null) return null;
  const intent = o.consul.intents.find((i) => i.verb === "switchover" && i.outcome === null);
  if (intent === undefined) return null;
  if (intent.epoch !== state.epoch) {
    // The primary that handed over knows how it went, and answers when it follows.
    if (o.now - primacy.since < ANSWER_OF_THE_OLD_MS) return null;
    return answerStale(o, state, intent);
  }
  const to = successor(o, state, intent.to);
  if ("no" in to) return [{ do: "answer-intent", intent: intent.id, ok: false, why: to.no }];
  return [
    { do: "drain", intent: intent.id, to: to.peer.uuid, why: `switchover to ${to.peer.node}` },
  ];
}

/** A wish of an older epoch whose taker did not answer any more. */
function answerStale(o: Observation, state: State, intent: Intent): readonly Action[] {
  const ok = intent.epoch === state.epoch - 1 && (intent.to ?? o.me.node) === o.me.node;
  const why = ok
    ? `${o.me.node} is primary at epoch ${state.epoch}`
    : `asked at epoch ${intent.epoch}, now it is ${state.epoch}`;
  return [{ do: "answer-intent", intent: intent.id, ok, why }];
}

/** Whom to hand over to: the named node, or the best eligible voter; or why not. */
export function successor(
  o: Observation,
  state: State,
  wanted: string | null,
): { readonly peer: Peer } | { readonly no: string } {
  if (o.consul.paused) return { no: "the cluster is paused" };
  if (wanted !== null) {
    const named = o.consul.peers.filter((p) => p.node === wanted);
    const peer = named.find((p) => state.voters.includes(p.uuid)) ?? named.at(-1);
    if (peer === undefined) return { no: `no node ${wanted}` };
    const why = notEligible(o, state, peer);
    return why === null ? { peer } : { no: `${wanted}: ${why}` };
  }
  const able = o.consul.peers
    .filter((p) => notEligible(o, state, p) === null)
    .toSorted(
      (a, b) =>
        b.priority - a.priority ||
        (a.lagSeconds ?? 0) - (b.lagSeconds ?? 0) ||
        (a.uuid < b.uuid ? -1 : 1),
    );
  const peer = able[0];
  return peer === undefined ? { no: "no other voter is eligible" } : { peer };
}

function notEligible(o: Observation, state: State, peer: Peer): string | null {
  if (peer.uuid === o.me.uuid) return "is the primary already";
  if (!state.voters.includes(peer.uuid)) return "is not a voter";
  if (peer.ageMs > FRESH_MS) return "has not reported lately";
  if (peer.stopping || peer.stopped) return "is stopping";
  if (peer.noFailover) return "is tagged nofailover";
  if (peer.needsRebuild) return "cannot follow";
  if (peer.amnesiac) return "is amnesiac: it cannot prove what it acknowledged";
  if (o.server?.dumpThreads.every((d) => d.uuid !== peer.uuid) ?? true) return "is not connected";
  if ((peer.lagSeconds ?? MAX_LAG_SECONDS + 1) > MAX_LAG_SECONDS)
    return `lags ${peer.lagSeconds ?? "?"} s`;
  return null;
}

function goOn(
  o: Observation,
  primacy: Primacy,
  state: State,
  to: string,
): readonly Action[] | null {
  if (state.epoch !== primacy.epoch) return null;
  const late = o.now - primacy.since > DRAIN_WITHIN_MS;
  if (primacy.stage === "drained" && holdsLock(o)) {
    const peer = o.consul.peers.find((p) => p.uuid === to);
    if (peer === undefined || late)
      return [
        {
          do: "undrain",
          epoch: primacy.epoch,
          why: "the candidate did not catch up in time: going on as before",
        },
      ];
    return [
      {
        do: "hand-over",
        to,
        host: peer.host,
        port: peer.port,
        why: `${peer.node} must hold everything first`,
      },
      {
        do: "release-lock",
        prefer: to,
        closed: true,
        gaveUp: false,
        why: `handed over to ${peer.node}`,
      },
    ];
  }
  if (primacy.stage !== "drained") return null;
  const freeMs = o.leaderFreeSince === null ? 0 : o.now - o.leaderFreeSince;
  // Nobody took it: the same epoch may go on, because mysqld never stopped (§6).
  if (o.consul.leader?.session === null && freeMs > DRAIN_WITHIN_MS)
    return [
      { do: "reacquire", epoch: primacy.epoch, why: "nobody took over: going on as before" },
      { do: "undrain", epoch: primacy.epoch, why: "nobody took over: going on as before" },
    ];
  return [{ do: "hold", why: "drained: waiting for the successor's election" }];
}
