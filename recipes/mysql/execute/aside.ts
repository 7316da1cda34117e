// Giving up a datadir (PROTOCOL §7 "Rebuild"): what only it holds is extracted first, then it is moved away, and the node
// forgets who it was. A job, because logs may be long: the loop goes on meanwhile.
import { messageOf, type KvOp } from "../../../src/index.ts";
import { formatGtidSet, gtidSet, subtract, union } from "../core/gtid.ts";
import type { Intent, State } from "../core/observation.ts";
import { notYetSafe } from "../core/rebuild.ts";
import { heldSet, short } from "../core/state.ts";
import { parseIntent } from "../keys.ts";
import type { Evidence, Story } from "../machine.ts";
import { forgetIdentity, startJob } from "./data.ts";
import { consistentState, markerOf, uuidOf, type Executors, type Hands } from "./hands.ts";

/** Before the primary is asked what it holds: a group commit is over by then (S21). */
const SETTLED_MS = 300;

export const aside = {
  "set-aside": async (hands, { why, intent }) => {
    if ((await mayBeWiped(hands)) === null) return;
    startJob(hands, "set-aside", (report, signal) =>
      giveUp(hands, { why, intent, report, signal }),
    );
  },

  "remove-aside": async (hands, { names, why }) => {
    await hands.disk.removeAside(names);
    hands.announce("aside-removed", `${names.join(", ")}: ${why}`);
  },
} satisfies Partial<Executors>;

/** The one action that takes data out of service: its rule is asked again, of what Consul says now. */
async function mayBeWiped(hands: Hands): Promise<State | null> {
  const { memory, registry } = hands;
  const state = await consistentState(hands);
  await registry.refreshPeers(0);
  if (state === null || memory.uuid === null) return null;
  const { peers } = registry.facts();
  const { position } = memory;
  const seen = { me: memory.uuid, peers, markerUuid: markerOf(hands), position };
  return notYetSafe(state.value, seen) === null ? state.value : null;
}

type Order = {
  readonly why: string;
  readonly intent: string | null;
  readonly report: (says: string) => void;
  readonly signal: AbortSignal;
};

async function giveUp(hands: Hands, { why, intent, report, signal }: Order): Promise<void> {
  const { memory, disk, log } = hands;
  const uuid = uuidOf(hands);
  const held = await heldNow(hands);
  report(`setting the datadir aside (${why}): stopping mysqld`);
  await hands.handle.process().stop({ termFirst: true, graceMs: 5_000 });
  await hands.clock.sleep(SETTLED_MS, signal);
  const story = await storyOf(hands, { why, uuid, held });
  report(`setting the datadir aside (${why}): extracting what the primary lacks`);
  const evidence = await disk.extract(story, signal);
  if ((await mayBeWiped(hands)) === null)
    return log.warn("kept: the cluster has changed meanwhile");
  const forget = await claimsOf(hands);
  const where = await disk.setAside(why, story.at, evidence);
  hands.announce(
    "set-aside",
    `${why}; ${told(evidence)}; the datadir is kept in ${where ?? "nowhere"}`,
    {
      uuid,
      datadir: where,
      errant: evidence.place,
      gtids: evidence.gtids,
    },
  );
  await forgetIdentity(hands);
  memory.errant = null;
  memory.following = null;
  memory.answered = 0;
  // Nobody comes back under this uuid: without this, records and claims of old datadirs would pile up for ever.
  for (const op of forget) await hands.kv.commit([op]);
  if (intent !== null)
    await noteKept(hands, intent, {
      datadir: where ?? "",
      errant: evidence.place,
      gtids: evidence.gtids,
      complete: evidence.complete,
    });
}

/**
 * Takes back what this uuid claimed. The server_id by its index: a deletion that comes late, or twice, must not take
 * the number from whoever has claimed it since (found by simulation: no primary could unlock that voter's account).
 */
async function claimsOf(hands: Hands): Promise<readonly KvOp[]> {
  const { kv, keys, memory } = hands;
  const uuid = uuidOf(hands);
  const key = keys.serverId(memory.serverId ?? 0);
  const claim = await kv.get(key, { consistent: true });
  const mine = claim !== null && (JSON.parse(claim.value) as { uuid?: string }).uuid === uuid;
  return [
    { do: "delete", key: keys.node(uuid) },
    ...(mine ? [{ do: "delete-cas", key, index: claim.index } as const] : []),
  ];
}

function told({ gtids, place, complete }: Evidence): string {
  if (gtids === "" && complete) return "it holds nothing that others lack";
  const what = gtids === "" ? "what others lack is not known" : `others lack ${gtids}`;
  const where = place === null ? "not extracted" : `extracted to ${place}`;
  return `${what}: ${where}${complete ? "" : ", not completely"}`;
}

/** What the running server holds; null where it cannot say. */
async function heldNow(hands: Hands) {
  try {
    const facts = await hands.handle.connection()?.observe();
    return facts === undefined ? null : heldSet(facts);
  } catch (error) {
    hands.log.warn("what this server holds is read from its logs alone", { why: messageOf(error) });
    return null;
  }
}

/** Errors: UnavailableError when the primary does not answer. */
async function storyOf(
  hands: Hands,
  { why, uuid, held }: { why: string; uuid: string; held: Awaited<ReturnType<typeof heldNow>> },
): Promise<Story> {
  const { registry, node, clock } = hands;
  const state = registry.facts().state?.value;
  const primary = registry.peer(state?.primary ?? "");
  const epoch = state?.epoch ?? 0;
  const theirs = await hands.peers.sets({ host: primary?.host ?? "", port: primary?.port ?? 0 });
  const known = union(gtidSet(theirs.executed), gtidSet(`${markerOf(hands)}:${epoch}`));
  return {
    why,
    at: new Date(clock.wall()).toISOString(),
    node: node.name,
    uuid,
    epoch,
    primary: primary?.node ?? short(theirs.uuid),
    held: formatGtidSet(known),
    errant: held === null ? null : formatGtidSet(subtract(held, known)),
  };
}

/** Where the old datadir is now, for whoever gave the order; one that was taken back meanwhile stays away. */
async function noteKept(
  hands: Hands,
  id: string,
  kept: NonNullable<NonNullable<Intent["rebuild"]>["kept"]>,
): Promise<void> {
  const key = hands.keys.intent(id);
  const entry = await hands.kv.get(key, { consistent: true });
  const intent = entry === null ? null : parseIntent(entry.value);
  if (entry === null || intent === null) return;
  const next: Intent = { ...intent, rebuild: { voter: intent.rebuild?.voter ?? false, kept } };
  await hands.kv.commit([{ do: "cas", key, value: JSON.stringify(next), index: entry.index }]);
}
