// Election and promotion by this node (PROTOCOL §4 steps 0–8). Steps 9 and 10 are primary.ts.
// The lock decides who may try; promises of V decide who succeeds.
import { hold, type Action } from "./action.ts";
import {
  backOffMs,
  electAfterMs,
  judge,
  lacking,
  mayNotElect,
  slowDownMs,
  type Verdict,
} from "./candidate.ts";
import { canFeed } from "./choice.ts";
import { contains, gtidSet } from "./gtid.ts";
import type { Observation, ServerFacts, State } from "./observation.ts";
import { FRESH_MS, PROMISES_WITHIN_MS } from "./policy.ts";
import { heldSet, holdsLock, isCandidate } from "./state.ts";

/** Steps 0–2: nobody holds the lock, or we hold it and no epoch is ours yet. */
export function tryElection(o: Observation): readonly Action[] | null {
  const entry = o.consul.state;
  if (entry === null) return null;
  const { value: state, index } = entry;
  if (o.consul.leader?.session != null && !holdsLock(o)) return hold(waitingFor(o, state));
  const no = mayNotElect(o, state);
  if (no !== null) {
    if (holdsLock(o)) return giveUp(`not electing: ${no}`);
    return hold(`no primary; not electing: ${no}`);
  }
  if (o.consul.session === null) return hold("no primary; waiting for a Consul session");
  if (o.gaveUp !== null && o.now < o.gaveUp.at + backOffMs(o.gaveUp.times))
    return hold("no primary; backing off after an election without a result");
  const free = o.leaderFreeSince ?? o.now;
  if (!holdsLock(o) && o.now < free + electAfterMs(o, state, FRESH_MS)) {
    const slow = slowDownMs(o);
    return hold(
      slow === 0
        ? "no primary; another node goes first"
        : `no primary; ${o.failovers.length} failovers in ten minutes: elections wait up to ${slow / 1000} s`,
    );
  }
  return [
    { do: "elect", from: state, index, why: `no primary since epoch ${state.epoch}: raising it` },
  ];
}

/**
 * The lock is held by a session that this agent had before it was restarted: it would live on for its TTL, because the
 * new agent passes the same check. Ending it is safe, because this mysqld is closed.
 */
export function endGhost(o: Observation): readonly Action[] | null {
  const { leader, session } = o.consul;
  if (session === null || leader === null || leader.session === null) return null;
  if (leader.session === session || o.primacy !== null) return null;
  if (leader.value?.held !== true || leader.value.uuid !== o.me.uuid) return null;
  if (o.server !== null && !o.server.superReadOnly) return null;
  return [
    { do: "end-session", session: leader.session, why: "it is this node's own, from before" },
  ];
}

/** No server, no primacy, and still the lock (its release was lost): the others must not wait for our mysqld's start. */
export function freeLock(o: Observation): readonly Action[] | null {
  if (!holdsLock(o) || o.primacy !== null || o.process.running || !o.consul.reachable) return null;
  // A founder keeps it until its first epoch: nobody else could elect.
  if ((o.consul.state?.value.epoch ?? 0) === 0) return null;
  const why = `mysqld is down: ${o.process.lastExit ?? "not started yet"}`;
  return [{ do: "release-lock", prefer: null, closed: true, gaveUp: false, why }];
}

function waitingFor(o: Observation, state: State): string {
  const value = o.consul.leader?.value;
  const who = value?.held === true ? value.node : "another node";
  return state.phase === "electing"
    ? `promised epoch ${o.promise.epoch}; waiting for ${who}`
    : `waiting for ${who} (${state.phase})`;
}

function giveUp(why: string, prefer: string | null = null): readonly Action[] {
  return [{ do: "release-lock", prefer, closed: false, gaveUp: prefer === null, why }];
}

/** Steps 3–8, as the one candidate of this epoch. */
export function beCandidate(o: Observation): readonly Action[] | null {
  const entry = o.consul.state;
  if (entry === null || !isCandidate(o) || o.server === null) return null;
  const { value: state, index } = entry;
  if (o.me.stopping) return giveUp("stopping");
  // Its own promise must be among those that it judges, or another one looks better than it is.
  const own = o.consul.promises.some((p) => p.uuid === o.me.uuid && p.epoch === state.epoch);
  if (o.answered !== state.epoch || !own) return hold("promising to itself first");
  const forMs = o.candidateSince === null ? 0 : o.now - o.candidateSince;
  const verdict = judge(o, state, forMs);
  if (verdict.kind === "refuse") return giveUp(verdict.why);
  if (verdict.kind === "wait")
    return forMs < PROMISES_WITHIN_MS ? hold(`electing: ${verdict.why}`) : giveUp(verdict.why);
  const winner = verdict.winner ?? verdict.fetcher;
  if (winner === null) return giveUp("no eligible node holds everything that was promised");
  if (winner.uuid !== o.me.uuid)
    return giveUp(`${winner.node} is the better candidate`, winner.uuid);
  const rest = fetchRest(o, o.server, verdict);
  if (rest !== null) return rest;
  if (!contains(gtidSet(o.server.executed), verdict.target))
    return drain(o, lacking(verdict.target, gtidSet(o.server.executed)));
  const { epoch } = state;
  const why = `${o.consul.promises.length} promises, everything applied`;
  return [
    { do: "take-over", epoch, acks: state.acks, why },
    { do: "publish", epoch, from: state, index, why },
  ];
}

/** §4 step 5, last line: a candidate that lacks something of T copies it from a holder, which stays closed. */
function fetchRest(
  o: Observation,
  server: ServerFacts,
  { target, holders }: Extract<Verdict, { kind: "chosen" }>,
): readonly Action[] | null {
  const mine = heldSet(server);
  if (contains(mine, target)) return null;
  const { epoch } = o.consul.state?.value ?? { epoch: 0 };
  const now = fetchingNow(o);
  if (now !== null && !stuck(o)) return hold(`electing: copying ${lacking(target, mine)}`);
  const tried = now === null ? [] : [...now.tried, now.from];
  for (const holder of holders) {
    if (tried.includes(holder.uuid) || !canFeed(holder, mine)) continue;
    const peer = o.consul.peers.find((p) => p.uuid === holder.uuid);
    if (peer === undefined) continue;
    const { host, port } = peer;
    const why = `${holder.node} holds what this node lacks: ${lacking(target, mine)}`;
    return [{ do: "fetch", epoch, from: holder.uuid, host, port, why }];
  }
  return giveUp("no holder of everything that was promised can be copied from");
}

/** An applier that is stuck (a metadata lock, say) must not keep the lock from a holder that has applied everything. */
const NO_PROGRESS_MS = 10_000;

/** The copying that belongs to this epoch. */
function fetchingNow(o: Observation): Observation["fetching"] {
  return o.fetching?.epoch === o.consul.state?.value.epoch ? o.fetching : null;
}

/** Nothing has been applied for 10 s, counted from the copying where that began later. */
function stuck(o: Observation): boolean {
  const since = Math.max(o.progressAt ?? o.now, fetchingNow(o)?.since ?? 0);
  return o.now - since >= NO_PROGRESS_MS;
}

/** Step 6: wait while the applier works; an applier that stopped with an error leaves the field to another holder. */
function drain(o: Observation, left: string): readonly Action[] {
  const source = o.server?.source ?? null;
  if (source !== null && source.sqlErrno !== 0) return giveUp(`applier: ${source.sqlError}`);
  if (source !== null && source.sql === "No")
    return [{ do: "start-applier", why: "what was received must be applied before promotion" }];
  if (stuck(o)) return giveUp("the applier makes no progress: another holder may");
  return hold(`electing: applying ${left.length > 80 ? `${left.slice(0, 80)}…` : left}`);
}
