// An operator's wish carried out (PROTOCOL §7a): one transaction that takes the lock, writes `state`, and takes the wish, so
// that it happens once, in the Consul that was judged, or not at all.
import type { KvOp } from "../../../src/index.ts";
import type { Do } from "../core/action.ts";
import { short } from "../core/state.ts";
import type { Intent } from "../core/observation.ts";
import { parseIntent } from "../keys.ts";
import { leaderValue } from "./election.ts";
import { commitNoted, note, sessionOf, uuidOf, type Executors, type Hands } from "./hands.ts";

/** People wait for it for half a minute: one that is much older is nobody's wish any more. Wall clock: convenience only. */
const VALID_MS = 5 * 60_000;

export const wish = {
  "rewrite-state": async (hands, action) => {
    const { kv, keys, memory, lease, clock } = hands;
    const { next, how, index } = action;
    const entry = await kv.get(keys.intent(action.intent), { consistent: true });
    const wished = entry === null ? null : parseIntent(entry.value);
    if (entry === null || wished?.outcome !== null || wished.uuid !== uuidOf(hands)) return;
    if (Math.abs(clock.wall() - Date.parse(wished.at)) > VALID_MS) return;
    const open = memory.primacy?.stage === "open" && memory.primacy.epoch === next.epoch;
    if (how === "keep" && !open) return;
    const value = leaderValue(hands, next.epoch);
    const taken = taking(wished, action, new Date(clock.wall()).toISOString());
    const done = await commitNoted(hands, [
      { do: "lock", key: keys.leader, value, session: sessionOf(hands) },
      { do: "cas", key: keys.intent(wished.id), value: JSON.stringify(taken), index: entry.index },
      { do: "cas", key: keys.state, value: JSON.stringify(next), index },
      ...identity(hands, next.voters),
      // Of another course of history: an epoch's promises and losses count only for the candidate that asked for them.
      { do: "delete-tree", key: keys.allPromises },
      { do: "delete-tree", key: keys.allLost },
      { do: "set", key: keys.history(next.epoch), value: historyOf(hands, wished, action) },
    ]);
    if (!done.ok) return;
    await lease.hold({ key: keys.leader, value });
    await note(hands, next, null);
    // The careful configuration answers for whatever was in doubt.
    if (how === "keep") memory.change = null;
    hands.registry.noteIntent(taken);
    hands.announce(wished.verb, action.why, { epoch: next.epoch, voters: next.voters.map(short) });
  },
} satisfies Partial<Executors>;

/** The wish as it is afterwards: done, or to be answered by the primary that comes of it. */
function taking(wished: Intent, { how, next }: Do<"rewrite-state">, at: string): Intent {
  const epoch = next.epoch - 1;
  if (how !== "keep") return { ...wished, uuid: null, epoch };
  const says = `the primary goes on at epoch ${next.epoch}, no outage`;
  return { ...wished, uuid: null, outcome: { ok: true, says, at, stoodStillMs: 0 } };
}

/** What a wiped Consul lacks to be this cluster's: its id, who owns which server_id, and records of voters that are away. */
function identity(hands: Hands, voters: readonly string[]): readonly KvOp[] {
  const { keys, registry, memory } = hands;
  const { initialize, peers } = registry.facts();
  const { clusterId } = memory.datadir;
  const ops: KvOp[] = [];
  if (initialize === null && clusterId !== null)
    ops.push({ do: "cas", key: keys.initialize, value: clusterId, index: 0 });
  const away = voters
    .filter((v) => peers.every((p) => p.uuid !== v))
    .flatMap((v) => registry.lastWordOf(v) ?? []);
  for (const record of away)
    ops.push({ do: "set", key: keys.node(record.uuid), value: JSON.stringify(record) });
  const known = [...peers.filter((p) => p.answer !== null), ...away].slice(0, MOST_CLAIMS);
  for (const { serverId, uuid, node } of known)
    ops.push({ do: "set", key: keys.serverId(serverId), value: JSON.stringify({ uuid, node }) });
  return ops;
}

/** Consul takes 64 operations in one transaction; |V| is at most nine. */
const MOST_CLAIMS = 45;

function historyOf(
  { node, memory, clock }: Hands,
  { verb, by }: Intent,
  { next, how, loss }: Do<"rewrite-state">,
): string {
  const at = new Date(clock.wall()).toISOString();
  const { epoch, voters } = next;
  const { name } = node;
  return JSON.stringify({ epoch, node: name, uuid: memory.uuid, voters, at, verb, by, how, loss });
}
