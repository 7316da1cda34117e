// Replication accounts of datadirs that are gone (PROTOCOL §7): dropped by the primary, lazily. DROP USER is replicated,
// and waits for an acknowledgement while it holds the lock that every login needs (S22): only where one is certain.
import type { Action } from "./action.ts";
import type { Observation, ServerFacts, State } from "./observation.ts";

/** One at most in this time: nobody waits for it. */
const DROP_EVERY_MS = 60_000;

export function dropUnclaimed(
  o: Observation,
  server: ServerFacts,
  state: State,
): readonly Action[] | null {
  const { claims, intents, peers } = o.consul;
  if (o.primacy?.stage !== "open" || o.change !== null || claims === null) return null;
  if (o.droppedAt !== null && o.now - o.droppedAt < DROP_EVERY_MS) return null;
  if (server.semiSync.clients < state.acks || server.semiSync.waitSessions > 0) return null;
  const used = new Set<number | null>([
    ...claims,
    o.me.serverId,
    ...server.dumpThreads.map((d) => d.serverId),
    ...peers.map((p) => p.serverId),
    ...intents.map((i) => i.serverId),
  ]);
  const serverId = server.accounts.map((a) => a.serverId).find((id) => !used.has(id));
  if (serverId === undefined) return null;
  return [{ do: "drop-account", serverId, why: `no datadir has server_id ${serverId} any more` }];
}
