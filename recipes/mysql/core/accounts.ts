// Replication accounts that nobody asks for (PROTOCOL §7): the primary's own, and those of datadirs that are gone. CREATE
// and DROP USER are replicated, and wait for an acknowledgement while they hold the lock that every login needs (S22): only
// where one is certain.
import type { Action } from "./action.ts";
import type { Observation, ServerFacts, State } from "./observation.ts";

/** One at most in this time: nobody waits for it. */
const DROP_EVERY_MS = 60_000;

/**
 * autopilot_repl_0, nobody's server_id: what a candidate copies from a closed holder with, its own flag OFF (§4 step 5). Its own
 * account may be locked there since that holder was primary, and cannot be unlocked while it is closed. This one never is.
 */
export const COPY_ACCOUNT = 0;

/** No acknowledgement is in its way; that no change of V is, primary.ts has asked. */
function isQuiet(o: Observation, server: ServerFacts, state: State): boolean {
  if (o.primacy?.stage !== "open") return false;
  return server.semiSync.clients >= state.acks && server.semiSync.waitSessions === 0;
}

/**
 * A founder never asked anybody for an account. Without one no closed holder could let it copy what it lacks (§4 step 5),
 * because an account can only be made on a primary.
 */
export function ownAccount(
  o: Observation,
  server: ServerFacts,
  state: State,
): readonly Action[] | null {
  const wanted = o.me.serverId === null ? [COPY_ACCOUNT] : [COPY_ACCOUNT, o.me.serverId];
  const serverId = wanted.find((id) => !server.accounts.some((a) => a.serverId === id));
  if (serverId === undefined || !isQuiet(o, server, state)) return null;
  const why =
    serverId === COPY_ACCOUNT
      ? "for copying what a candidate lacks, made by no agent of before"
      : "its own, for the day on which it is a replica";
  return [{ do: "make-account", serverId, why }];
}

export function dropUnclaimed(
  o: Observation,
  server: ServerFacts,
  state: State,
): readonly Action[] | null {
  const { claims, intents, peers } = o.consul;
  if (claims === null || !isQuiet(o, server, state)) return null;
  if (o.droppedAt !== null && o.now - o.droppedAt < DROP_EVERY_MS) return null;
  const used = new Set<number | null>([
    COPY_ACCOUNT,
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
