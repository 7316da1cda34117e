// One observation: what the server, the disk, Consul and this agent's memory say now. Reads only, bounded in time, and
// what cannot be read is null. Also folds what is seen into memory (since when a voter is absent, and the like).
import type { Clock } from "../../src/index.ts";
import type { MysqlConfig } from "./config.ts";
import { shouldAskLiveness } from "./core/detection.ts";
import type { ConsulFacts, Observation, ServerFacts } from "./core/observation.ts";
import { isCandidate } from "./core/state.ts";
import type { Handle } from "./handle.ts";
import type { Memory } from "./memory.ts";
import type { Registry } from "./registry.ts";
import { markerUuidOf } from "./mysqld/marker.ts";

export type ObserveParts = {
  readonly config: MysqlConfig;
  readonly node: { readonly name: string; readonly host: string };
  readonly clock: Clock;
  readonly handle: Handle;
  readonly registry: Registry;
  readonly memory: Memory;
};

/** How far back `headBefore` looks: a node record is at most 2 s old when it is written, and read a little later. */
const HEAD_AGE_MS = 2_500;
const HEADS_KEPT = 16;

export async function observe(parts: ObserveParts): Promise<Observation> {
  const { memory, registry, handle, clock } = parts;
  const server = await handle.look();
  const peersMaxAge = peersWanted(memory, registry.facts(), server);
  if (peersMaxAge !== null) await registry.refreshPeers(peersMaxAge);
  await checkAmnesia(parts);
  remember(parts, server, clock.now());
  const now = clock.now();
  const consul = registry.facts();
  const seen = assemble(parts, { now, server, consul });
  memory.candidateSince = isCandidate(seen) ? (memory.candidateSince ?? now) : null;
  registry.watchPromises(
    memory.candidateSince === null ? null : (consul.state?.value.epoch ?? null),
  );
  return { ...seen, candidateSince: memory.candidateSince };
}

/** S29: a volume restored from a snapshot has an older promise than Consul remembers of this uuid. */
async function checkAmnesia({ memory, registry }: ObserveParts): Promise<void> {
  if (memory.amnesiac !== null || memory.uuid === null || !registry.facts().loaded) return;
  await registry.refreshPeers(0);
  const { peersAgeMs } = registry.facts();
  if (peersAgeMs === null || peersAgeMs > 1_000) return;
  memory.amnesiac = (registry.peer(memory.uuid)?.promised ?? 0) > memory.promise.epoch;
}

function assemble(
  parts: ObserveParts,
  now: { readonly now: number; readonly server: ServerFacts | null; readonly consul: ConsulFacts },
): Observation {
  const { config, memory, node, handle, registry } = parts;
  const { durability } = config;
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
      stopping: memory.stopping,
      stoppingSince: memory.stoppingSince,
      amnesiac: memory.amnesiac ?? true,
    },
    policy: {
      acks: durability.acks,
      voters: durability.voters,
      minAcks: durability.minAcks,
      dropVoterAfterMs: durability.dropVoterAfter,
      aloneAfterMs: durability.aloneAfter,
      rejoin: config.rejoin,
    },
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
    answered: memory.answered,
    candidateSince: memory.candidateSince,
    gaveUp: memory.gaveUp,
    sawPrimary: memory.sawPrimary,
    heartbeat: memory.heartbeat,
    sight: memory.sight,
    job: memory.job,
    absentSince: memory.absentSince,
    headBefore: headBefore(memory, now.now),
    leaderFreeSince: registry.leaderFreeSince(),
  };
}

function headBefore(memory: Memory, now: number): string {
  return memory.heads.findLast((head) => now - head.at >= HEAD_AGE_MS)?.executed ?? "";
}

function remember(parts: ObserveParts, server: ServerFacts | null, now: number): void {
  const { memory } = parts;
  const consul = parts.registry.facts();
  const state = consul.state?.value;
  if (memory.primacy?.stage === "open") memory.sawPrimary = true;
  if (memory.following !== null && server?.source?.io === "Yes") memory.sawPrimary = true;
  if (memory.primacy === null || server === null || state === undefined) return;
  const connected = new Set(server.dumpThreads.map((d) => d.uuid));
  const absent: Record<string, number> = {};
  for (const voter of state.voters) {
    if (voter === memory.uuid || connected.has(voter)) continue;
    absent[voter] = memory.absentSince[voter] ?? now;
  }
  memory.absentSince = absent;
  const newest = memory.heads.at(-1);
  if (newest === undefined || now - newest.at >= 500)
    memory.heads = [...memory.heads, { at: now, executed: server.executed }].slice(-HEADS_KEPT);
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
  if (state === undefined) return null;
  if (consul.leader?.session == null) return 300;
  if (memory.stopping || consul.intents.length > 0) return 200;
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
  if (server.dumpThreads.some((d) => !state.voters.includes(d.uuid))) return false;
  return state.acks > 0;
}

/** How long the loop may sleep: short where time itself changes the decision. */
export function idleMs(o: Observation): number {
  const { consul } = o;
  if (o.me.stopping) return 50;
  if (!consul.loaded || o.datadir.kind !== "ready" || o.server === null) return 200;
  if (consul.leader?.session == null) return 25;
  if (o.candidateSince !== null) return 20;
  if (o.primacy !== null && o.primacy.stage !== "open") return 50;
  if (o.change !== null) return 100;
  if (o.server.semiSync.replicaEnabled && !o.server.semiSync.replicaActive) return 100;
  if (o.server.source !== null && o.server.source.io !== "Yes") return 100;
  if (consul.lost.length > 0 || shouldAskLiveness(o)) return 100;
  return 1_000;
}
