// One observation: what the server, the disk, Consul and this agent's memory say now. Reads only, bounded in time, and
// what cannot be read is null. Also folds what is seen into memory (since when a voter is absent, and the like).
import type { Clock } from "../../src/index.ts";
import type { MysqlConfig } from "./config.ts";
import { shouldAskLiveness } from "./core/detection.ts";
import type { ConsulFacts, Observation, ServerFacts } from "./core/observation.ts";
import { FRESH_MS, type Policy } from "./core/policy.ts";
import { positionOf } from "./core/rebuild.ts";
import { isCandidate } from "./core/state.ts";
import type { Handle } from "./handle.ts";
import type { Disk } from "./machine.ts";
import type { Memory } from "./memory.ts";
import { recall } from "./recall.ts";
import type { Registry } from "./registry.ts";
import { markerUuidOf } from "./mysqld/marker.ts";

export type ObserveParts = {
  readonly config: MysqlConfig;
  readonly node: { readonly name: string; readonly host: string };
  readonly clock: Clock;
  readonly handle: Handle;
  readonly disk: Disk;
  readonly registry: Registry;
  readonly memory: Memory;
};

/** How far back `headBefore` looks: a node record is at most 2 s old when it is written, and read a little later. */
const HEAD_AGE_MS = 2_500;
const HEADS_KEPT = 16;
/** The loop ticks at least every 1.5 s and no action takes longer than this: what is later was paused. */
const PAUSE_MS = 5_000;
/** A heartbeat that waits this long is not just slow (§3: the veto's and tier 2's own measure). */
const BLOCKED_MS = 1_500;
/** Records are read every 5 s while all is well: a healthy one never looks older than that and its own interval. */
const SILENT_MS = 12_000;
/** Nobody waits for an old account to go. */
const CLAIMS_EVERY_MS = 60_000;
/** Records that were not read themselves say nothing of silence. */
const RECORDS_READ_MS = 6_000;

const DISK_EVERY_MS = 2_000;

export async function observe(parts: ObserveParts): Promise<Observation> {
  const { memory, registry, handle, clock } = parts;
  await readAfterPause(parts);
  const server = await handle.look();
  const peersMaxAge = peersWanted(memory, registry.facts(), server);
  if (peersMaxAge !== null) await registry.refreshPeers(peersMaxAge);
  if (memory.primacy?.stage === "open") await registry.refreshClaims(CLAIMS_EVERY_MS);
  // Records that know more than the watch has brought yet: only a read from after them tells a restore from a delay (§7).
  if (recordsKnowMore(registry.facts())) await registry.confirmState();
  await recall(parts, server);
  await lookAtDisk(parts);
  const now = clock.now();
  const facts = registry.facts();
  remember(parts, server, { now, consul: facts });
  const consul = memory.doubtful ? { ...facts, goodUntil: 0, reachable: false } : facts;
  pinPosition(memory, consul);
  const room = await roomWanted(parts, now);
  const seen = assemble(parts, { now, server, consul, room });
  memory.candidateSince = isCandidate(seen) ? (memory.candidateSince ?? now) : null;
  if (memory.candidateSince === null) memory.progress = null;
  else if (server !== null && memory.progress?.executed !== server.executed)
    memory.progress = { executed: server.executed, at: now };
  registry.watchPromises(
    memory.candidateSince === null ? null : (consul.state?.value.epoch ?? null),
  );
  return { ...seen, candidateSince: memory.candidateSince };
}

/**
 * §3, §6: after a tick that came far too late, or a jump of the wall clock (a suspended machine's monotonic clock stands
 * still), nothing that was known of the lock counts until a consistent read of `state` says so.
 */
async function readAfterPause({ memory, registry, clock }: ObserveParts): Promise<void> {
  const at = { mono: clock.now(), wall: clock.wall() };
  const before = memory.tickedAt;
  memory.tickedAt = at;
  if (before === null || memory.primacy === null) return;
  const late = at.mono - before.mono > PAUSE_MS;
  const jumped = Math.abs(at.wall - before.wall - (at.mono - before.mono)) > PAUSE_MS;
  if (late || jumped || memory.doubtful) memory.doubtful = !(await registry.confirmState());
}

/** How much room there is: a commit that finds none waits without an error (§10 "disk full"). */
async function lookAtDisk({ memory, disk, clock }: ObserveParts): Promise<void> {
  const now = clock.now();
  if (memory.diskFree !== null && now - memory.diskFree.at < DISK_EVERY_MS) return;
  const bytes = await disk.free();
  memory.diskFree = bytes === null ? null : { bytes, at: now };
}

function assemble(
  parts: ObserveParts,
  now: Pick<Observation, "now" | "server" | "consul" | "room">,
): Observation {
  const { config, memory, node, handle, registry } = parts;
  return {
    ...now,
    me: {
      node: node.name,
      uuid: memory.uuid,
      serverId: memory.serverId,
      host: node.host,
      port: config.port,
      priority: config.tags.priority,
      noFailover: config.tags.noFailover,
      zone: config.tags.zone,
      stopping: memory.stopping,
      stoppingSince: memory.stoppingSince,
      amnesiac: memory.amnesiac ?? true,
      promisedHigh: memory.promisedHigh,
      recalled: memory.amnesiac !== null,
      elsewhere: memory.elsewhere,
      held: memory.held?.uuid === memory.uuid ? memory.held : null,
    },
    policy: policyOf(config),
    markerUuid: markerUuidOf(now.consul.initialize ?? memory.datadir.clusterId),
    datadir: memory.datadir,
    fresh: memory.fresh,
    process: handle.processFacts(memory.restartAt),
    promise: memory.promise,
    primacy: memory.primacy,
    change: memory.change,
    switchover: memory.switchover,
    following: memory.following,
    errant: memory.errant,
    joinAsked: memory.joinAsked,
    answered: memory.answered,
    candidateSince: memory.candidateSince,
    progressAt: memory.progress?.at ?? null,
    gaveUp: memory.gaveUp,
    provenFor: memory.provenFor,
    passedOver: memory.passedOver,
    fetching: memory.fetching,
    audit: memory.audited?.audit ?? null,
    diskFree: memory.diskFree?.bytes ?? null,
    failovers: registry.failovers(),
    sawPrimary: memory.sawPrimary,
    heartbeat: memory.heartbeat,
    sight: memory.sight,
    job: memory.job,
    absentSince: memory.absentSince,
    headBefore: headBefore(memory, now.now),
    position: memory.position,
    room: now.room,
    copyBytes: memory.copyBytes,
    droppedAt: memory.droppedAt,
    leaderFreeSince: registry.leaderFreeSince(),
  };
}

function policyOf({ durability, rejoin, keepAside }: MysqlConfig): Policy {
  return {
    acks: durability.acks,
    voters: durability.voters,
    minAcks: durability.minAcks,
    dropVoterAfterMs: durability.dropVoterAfter,
    aloneAfterMs: durability.aloneAfter,
    backOffAfter: durability.backOffAfter,
    rejoin,
    keepAside,
  };
}

/** Free space, and what stands in its way: asked just before a datadir is made. */
async function roomWanted({ memory, disk }: ObserveParts, now: number) {
  const { job } = memory;
  const waits = job !== null && (job.running || now < job.retryAt);
  if (memory.datadir.kind === "ready" || waits) return null;
  return await disk.room().catch(() => null); // Making a datadir there will say why.
}

/** §7: held on to while this node wants to give up its data, so that others can reach it. */
function pinPosition(memory: Memory, consul: ConsulFacts): void {
  const { uuid } = memory;
  const ordered = consul.intents.some((i) => i.verb === "rebuild" && i.uuid === uuid);
  const state = consul.state?.value;
  const markerUuid = markerUuidOf(memory.datadir.clusterId);
  const wanted = state !== undefined && (memory.errant !== null || ordered || memory.job !== null);
  const { peers } = consul;
  memory.position = wanted
    ? positionOf(state, { peers, markerUuid, position: memory.position })
    : null;
}

function headBefore(memory: Memory, now: number): string {
  return memory.heads.findLast((head) => now - head.at >= HEAD_AGE_MS)?.executed ?? "";
}

function remember(
  { memory }: ObserveParts,
  server: ServerFacts | null,
  { now, consul }: { readonly now: number; readonly consul: ConsulFacts },
): void {
  const state = consul.state?.value;
  if (memory.primacy?.stage === "open") memory.sawPrimary = true;
  if (memory.following !== null && server?.source?.io === "Yes") memory.sawPrimary = true;
  if (memory.primacy === null || server === null || state === undefined) return;
  const connected = new Set(server.dumpThreads.map((d) => d.uuid));
  const waiting = memory.heartbeat.waitingSince;
  const blocked = waiting !== null && now - waiting > BLOCKED_MS;
  const absent: Record<string, number> = {};
  for (const voter of state.voters) {
    if (voter === memory.uuid) continue;
    const peer = consul.peers.find((p) => p.uuid === voter);
    // A dump thread to a silent host lives on for minutes: its own word, or its silence, tells.
    // Without Consul no record moves: then silence says nothing.
    const read = consul.reachable && (consul.peersAgeMs ?? Infinity) <= RECORDS_READ_MS;
    const silent = read && peer !== undefined && peer.ageMs > (blocked ? FRESH_MS : SILENT_MS);
    const blind =
      (blocked || peer?.diskFull === true) &&
      peer !== undefined &&
      peer.epoch === state.epoch &&
      !peer.seesPrimary;
    const missed = memory.missed?.uuid === voter ? memory.missed : null;
    if (connected.has(voter) && !silent && !blind) {
      if (missed !== null) memory.missed = null;
      continue;
    }
    absent[voter] = memory.absentSince[voter] ?? missed?.since ?? now;
  }
  memory.absentSince = absent;
  const newest = memory.heads.at(-1);
  if (newest === undefined || now - newest.at >= 500)
    memory.heads = [...memory.heads, { at: now, executed: server.executed }].slice(-HEADS_KEPT);
}

function recordsKnowMore({ state, peers }: ConsulFacts): boolean {
  if (state === null) return false;
  const { ver, epoch } = state.value;
  return peers.some((p) => p.seenVer > ver || p.seenEpoch > epoch);
}

/**
 * How old the node records may be for this tick's decision, ms; null: they are not needed. They are read on demand
 * only, because every node writes its own every 2 s and watching them would wake all nodes all the time (§1).
 */
function peersWanted(
  memory: Memory,
  consul: ConsulFacts,
  server: ServerFacts | null,
): number | null {
  const state = consul.state?.value;
  if (memory.datadir.kind !== "ready") return 500;
  // A wish that asks all nodes (§7a), also where Consul has lost its state.
  if (consul.intents.some((i) => i.outcome === null && i.verb !== "join")) return 200;
  if (state === undefined) return null;
  if (consul.leader?.session == null) return 300;
  if (memory.stopping || consul.intents.some((i) => i.outcome === null)) return 200;
  if (memory.errant !== null) return 500;
  if (memory.primacy !== null) return settled(memory, consul, server) ? 5_000 : 500;
  if (state.primary !== memory.uuid && memory.following === null) return 500;
  return memory.sight.receiverDownSince === null && memory.sight.agentDeadSince === null
    ? null
    : 300;
}

function settled(memory: Memory, consul: ConsulFacts, server: ServerFacts | null): boolean {
  const state = consul.state?.value;
  if (state === undefined || server === null || memory.change !== null) return false;
  if (Object.keys(memory.absentSince).length > 0) return false;
  if (memory.heartbeat.waitingSince !== null) return false;
  if (server.dumpThreads.some((d) => !state.voters.includes(d.uuid))) return false;
  return state.acks > 0;
}

/** Everything that matters wakes the loop; a look at mysqld on a quiet node costs 3 ms of a core. */
const QUIET_MS = 1_500;

/** Nobody has taken the lock for so long: they wait for a node or a person, and whatever comes wakes the loop. */
const FREE_FOR_LONG_MS = 5_000;

function freeForLong({ now, leaderFreeSince }: Observation): boolean {
  return leaderFreeSince !== null && now - leaderFreeSince > FREE_FOR_LONG_MS;
}

/** How long the loop may sleep: short where time itself changes the decision. */
export function idleMs(o: Observation): number {
  const { consul } = o;
  if (o.me.stopping) return 50;
  if (!consul.loaded || o.datadir.kind !== "ready" || o.server === null) return 200;
  if (consul.leader?.session == null) return freeForLong(o) ? 200 : 25;
  // Its promises wake it; what is polled is an applier that works off a backlog.
  if (o.candidateSince !== null) return o.now - o.candidateSince < 1_000 ? 20 : 100;
  if (o.primacy !== null && o.primacy.stage !== "open") return 50;
  if (o.change !== null) return 100;
  if (o.server.semiSync.replicaEnabled && !o.server.semiSync.replicaActive) return 100;
  if (o.server.source !== null && o.server.source.io !== "Yes") return 100;
  if (consul.lost.length > 0 || shouldAskLiveness(o)) return 100;
  return QUIET_MS;
}
