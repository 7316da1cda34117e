// Who may try, whether enough have promised, and who holds everything (PROTOCOL §4 steps 0, 4, 5).
// Sets are compared by the newest epoch marker first and then by containment only; never by count, never by lag.
import { choose, isIn, lastZone, type Choice } from "./choice.ts";
import { contains, equal, formatGtidSet, isEmpty, subtract, type GtidSet } from "./gtid.ts";
import type { Observation, Peer, State } from "./observation.ts";
import {
  COLD_START_WAIT_MS,
  DISK_FULL_BELOW,
  FRESH_MS,
  OWN_PROMISE_WAIT_MS,
  PREFERRED_HEAD_START_MS,
  RANK_STEP_MS,
  SLOWEST_ELECTION_MS,
  VETO_MS,
} from "./policy.ts";
import { heldSet, joinedEpoch, lastPublished, quorum, short } from "./state.ts";

/** Why this node may not start an election now, or null: it may. One reason, the first that holds. */
export function mayNotElect(o: Observation, state: State): string | null {
  const { me, server } = o;
  if (me.uuid === null || !state.voters.includes(me.uuid)) return "not a voter";
  if (me.stopping) return "stopping";
  if (me.noFailover) return "nofailover";
  if (me.amnesiac) return "amnesiac: cannot prove what it acknowledged";
  if (o.consul.paused) return "the cluster is paused";
  if (server === null) return "mysqld is not up";
  if (!server.superReadOnly) return "mysqld is not closed";
  if (o.markerUuid !== null && joinedEpoch(server, o.markerUuid) > state.epoch)
    return "Consul's epoch is older than a marker in the data";
  const newer = joinedNewer(o, state.epoch);
  if (newer !== null) return newer;
  if (vetoes(o)) return "the primary is alive: its transactions still arrive";
  return null;
}

/** §7 "Consul wiped or restored", for a node that has seen nothing of what Consul forgot: who has, says so every 2 s. */
export function joinedNewer(o: Observation, epoch: number): string | null {
  const peer = o.consul.peers.find((p) => p.ageMs <= FRESH_MS && p.joined > epoch);
  if (peer === undefined) return null;
  return `${peer.node} has joined epoch ${peer.joined}, newer than ${epoch}: waiting for a person`;
}

/** §3 veto: the own receiver runs and a new transaction of the primary arrived lately, unless the holder closed itself. */
export function vetoes(o: Observation): boolean {
  const value = o.consul.leader?.value;
  if (value?.held === false && value.closed) return false;
  if (o.server?.source?.io !== "Yes") return false;
  return o.sight.lastTransactionAt !== null && o.now - o.sight.lastTransactionAt < VETO_MS;
}

/** A peer that could win an election now, as far as its own record says. */
function couldStand(peer: Peer, freshMs: number): boolean {
  return (
    peer.ageMs <= freshMs &&
    !peer.stopping &&
    !peer.stopped &&
    !peer.noFailover &&
    !peer.needsRebuild &&
    peer.mysqldPid !== null
  );
}

/**
 * §4 step 0: how many other voters should try before this node. The last primary is not counted: it just failed, or
 * it says itself whom it prefers. Ranks only order the tries: any of them would be safe.
 */
export function rank(o: Observation, state: State, freshMs: number): number {
  const { me, server, markerUuid } = o;
  if (server === null || markerUuid === null || me.uuid === null) return 0;
  const mine = { joined: joinedEpoch(server, markerUuid), set: heldSet(server) };
  const last = lastPublished(state);
  const zone = lastZone(o);
  return o.consul.peers.filter((peer) => {
    if (peer.uuid === me.uuid || peer.uuid === last || !state.voters.includes(peer.uuid))
      return false;
    if (!couldStand(peer, freshMs)) return false;
    if (peer.joined !== mine.joined) return peer.joined > mine.joined;
    const set = heldSet(peer);
    if (!equal(set, mine.set)) {
      if (contains(set, mine.set)) return true;
      if (contains(mine.set, set)) return false;
    }
    if (peer.priority !== me.priority) return peer.priority > me.priority;
    if (isIn(zone, peer) !== isIn(zone, me)) return isIn(zone, peer);
    return peer.uuid < (me.uuid ?? "");
  }).length;
}

/**
 * Milliseconds since the lock became free after which this node tries (§4 step 0; the preferred node at once). One whose
 * disk is full leaves the others time, and everybody slows down after repeated failovers.
 */
export function electAfterMs(o: Observation, state: State, freshMs: number): number {
  const value = o.consul.leader?.value;
  const turn = rank(o, state, freshMs) * RANK_STEP_MS + (diskFull(o) ? PREFERRED_HEAD_START_MS : 0);
  const prefer = value?.held === false ? value.prefer : null;
  if (prefer !== null && state.voters.includes(prefer))
    return prefer === o.me.uuid ? 0 : PREFERRED_HEAD_START_MS + turn;
  return turn + slowDownMs(o);
}

/** §10: what made three primaries fail in ten minutes may make the next one fail; never for long, and never a planned one. */
export function slowDownMs(o: Observation): number {
  const { backOffAfter } = o.policy;
  const more = o.failovers.length - backOffAfter;
  if (backOffAfter === 0 || more < 0) return 0;
  return Math.min(SLOWEST_ELECTION_MS, 1_000 * 2 ** more);
}

/** For people: a disk that is full, or "". */
export function roomLeft(o: Observation): string {
  if (!diskFull(o)) return "";
  return `, DISK FULL: ${Math.floor((o.diskFree ?? 0) / 1_048_576)} MiB left`;
}

export function diskFull(o: Observation): boolean {
  return o.diskFree !== null && o.diskFree < DISK_FULL_BELOW;
}

/** Back-off after elections of ours that were given up: 0.5 s, 1 s, 2 s … at most 10 s. */
export function backOffMs(times: number): number {
  return times === 0 ? 0 : Math.min(10_000, 250 * 2 ** Math.min(times, 6));
}

export type Verdict = Choice | { readonly kind: "wait"; readonly why: string };

/** §4 steps 4 and 5 over the promises of this epoch. `forMs`: how long the candidate has been waiting. */
export function judge(o: Observation, state: State, forMs: number): Verdict {
  const promises = o.consul.promises.filter(
    (p) => p.epoch === state.epoch && state.voters.includes(p.uuid) && !p.amnesiac,
  );
  const others = promises.filter((p) => p.uuid !== state.prevPrimary);
  const own = promises.some((p) => p.uuid === state.prevPrimary);
  const need = quorum(state);
  if (others.length < need && !own) {
    const missing = state.voters.filter((v) => !promises.some((p) => p.uuid === v)).map(short);
    return {
      kind: "wait",
      why: `have ${others.length} promises, need ${need}, missing: ${missing.join(", ")}`,
    };
  }
  if (others.length < need) {
    // A Consul that was restored names an older one: its promise alone would do, and knows nothing of what came after it.
    if (forMs < OWN_PROMISE_WAIT_MS && o.provenFor !== state.epoch)
      return { kind: "wait", why: "only the last primary promised: looking for a newer epoch" };
    const newer = joinedNewer(o, Math.max(...promises.map((p) => p.joined)));
    if (newer !== null) return { kind: "refuse", why: newer };
  }
  const awaited = state.prevPrimary !== null && state.voters.includes(state.prevPrimary) && !own;
  if (awaited && !o.sawPrimary && forMs < COLD_START_WAIT_MS)
    return { kind: "wait", why: "cold start: waiting for the last primary's own promise" };
  return choose(o, promises);
}

/** What `from` lacks of `target`, as text; "" when nothing. */
export function lacking(target: GtidSet, from: GtidSet): string {
  const rest = subtract(target, from);
  return isEmpty(rest) ? "" : formatGtidSet(rest);
}
