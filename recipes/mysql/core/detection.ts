// When a primary counts as lost, by whom, and when a primary without Consul may stay (PROTOCOL §3).
// Liveness only: a wrong answer here costs a failover or a wait, never data.
import { diskFull } from "./candidate.ts";
import type { Observation, State } from "./observation.ts";
import {
  ASK_LIVENESS_AFTER_MS,
  FAILSAFE_WINDOW_MS,
  FRESH_MS,
  HEARTBEAT_LOST_MS,
  LOST_AGREED_MS,
  NO_ROOM_MS,
  PROBE_FAILURES,
} from "./policy.ts";
import { quorum } from "./state.ts";

/** Milliseconds since the newest transaction of the primary, or since it is followed when none has come yet. */
export function quietMs(o: Observation): number {
  const since = o.sight.lastTransactionAt ?? o.following?.since ?? o.now;
  return o.now - since;
}

/** For how long this voter has not seen the primary through replication; 0 while it sees it. */
export function silentMs(o: Observation): number {
  const down = o.sight.receiverDownSince === null ? 0 : o.now - o.sight.receiverDownSince;
  const quiet = quietMs(o);
  return Math.max(down, quiet >= HEARTBEAT_LOST_MS ? quiet : 0);
}

/**
 * Whether the primary's agent is worth asking for /liveness now (tier 2). A connection that is refused at once by a
 * live host is asked for at once: nobody listens there, so there is nothing to wait for.
 */
export function shouldAskLiveness(o: Observation): boolean {
  const { sight } = o;
  if (o.following === null) return false;
  if (sight.refused) return true;
  return Math.max(silentMs(o), quietMs(o)) >= ASK_LIVENESS_AFTER_MS;
}

/** Tier 2: this voter has lost the primary: no replication and no /liveness. */
export function hasLostPrimary(o: Observation): boolean {
  const { sight } = o;
  if (o.following === null || sight.agentDeadSince === null) return false;
  return sight.refused || silentMs(o) >= HEARTBEAT_LOST_MS;
}

/** Tier 2: enough voters agree for long enough, and nobody fresh still sees the heartbeat. */
export function mayEndSession(o: Observation, state: State): boolean {
  if (state.primary === null) return false;
  const voters = state.voters.filter((v) => v !== state.primary);
  const agreed = o.consul.lost.filter((l) => voters.includes(l.uuid) && l.forMs >= LOST_AGREED_MS);
  if (agreed.length < quorum(state)) return false;
  const fresh = o.consul.peers.filter((p) => p.ageMs <= FRESH_MS);
  const seen = fresh.some(
    (p) =>
      voters.includes(p.uuid) &&
      !o.consul.lost.some((l) => l.uuid === p.uuid) &&
      p.epoch === state.epoch &&
      p.seesPrimary,
  );
  if (seen) return false;
  // N=2: a cut between two nodes would always move the primary; the holder goes alone instead.
  const holderFresh = fresh.some((p) => p.uuid === state.primary);
  return state.voters.length > 2 || !holderFresh;
}

/** Tier 1: mysqld does not take a new connection and a local write. */
export function serverHangs(o: Observation): boolean {
  return o.heartbeat.probeFailures >= PROBE_FAILURES;
}

/**
 * §10 "disk full on P": MySQL waits for room without an error, and the local probe still succeeds. Only where a
 * heartbeat waits, nothing waits for acknowledgements, and a voter that has room could take over.
 */
export function noRoom(o: Observation): boolean {
  const { heartbeat, server, consul, me } = o;
  const state = consul.state?.value;
  if (!diskFull(o) || server === null || state === undefined || state.acks === 0) return false;
  if (heartbeat.waitingSince === null || o.now - heartbeat.waitingSince < NO_ROOM_MS) return false;
  if (server.semiSync.waitSessions > 0 || !consul.reachable) return false;
  return consul.peers.some(
    (p) =>
      p.uuid !== me.uuid &&
      state.voters.includes(p.uuid) &&
      p.ageMs <= FRESH_MS &&
      p.role === "replica" &&
      !p.diskFull &&
      !p.noFailover &&
      !p.stopping,
  );
}

/** What a primary does whose belief in the lock has ended. */
export type Failsafe = "stay" | "soft-fence" | "not-needed";

/**
 * §3 "at the deadline": a heartbeat that started at t and was acknowledged by k voters proves that no newer primary was
 * open at t. With k = 0, confirmed, nobody can open without our own promise.
 */
export function failsafe(o: Observation, state: State | null): Failsafe {
  if (o.primacy === null || o.now < o.consul.goodUntil) return "not-needed";
  if (state?.acks === 0 && o.change === null && state.epoch === o.primacy.epoch) return "stay";
  const started = o.heartbeat.ackedStart;
  return started !== null && o.now - started <= FAILSAFE_WINDOW_MS ? "stay" : "soft-fence";
}
