// A replica's effects: FOLLOW (PROTOCOL §5), its semi-sync flag, its word that the primary is lost (§3 tier 2).
import { UnavailableError, messageOf } from "../../../src/index.ts";
import {
  contains,
  formatGtidSet,
  gtidSet,
  isEmpty,
  subtract,
  union,
  without,
} from "../core/gtid.ts";
import { isNoted } from "../core/note.ts";
import type { GtidFacts, Intent } from "../core/observation.ts";
import { heldSet, short } from "../core/state.ts";
import { NO_SIGHT } from "../memory.ts";
import type { Mysqld } from "../mysqld/port.ts";
import {
  consistentState,
  markerOf,
  mysqldOf,
  note,
  uuidOf,
  type Executors,
  type Hands,
} from "./hands.ts";

type Source = {
  readonly host: string;
  readonly port: number;
  readonly primary: string;
  readonly epoch: number;
};

/** Between two looks at what seems errant: a group commit is over by then. */
const SECOND_LOOK_MS = 300;

/** What of ours the primary lacks, apart from its own transactions (S21: group commit may show those here first). */
async function extra(
  hands: Hands,
  source: Source,
  mine: GtidFacts,
): Promise<{ gtids: string; why: string } | null> {
  const theirs = await hands.peers.sets({ host: source.host, port: source.port });
  if (theirs.uuid !== source.primary)
    throw new UnavailableError(
      "AP_MYSQLD_TIMEOUT",
      `${source.host}:${source.port} is ${short(theirs.uuid)}, not ${short(source.primary)}`,
    );
  // The primary may wait for exactly our acknowledgement of its marker (S10).
  const known = union(gtidSet(theirs.executed), gtidSet(`${markerOf(hands)}:${source.epoch}`));
  const errant = without(subtract(heldSet(mine), known), source.primary);
  if (!isEmpty(errant)) {
    const gtids = formatGtidSet(errant);
    return { gtids, why: `has transactions that the primary lacks: ${gtids}` };
  }
  if (!contains(heldSet(mine), gtidSet(theirs.purged))) {
    const gtids = formatGtidSet(subtract(gtidSet(theirs.purged), heldSet(mine)));
    return { gtids, why: `the primary has purged what this node lacks: ${gtids}` };
  }
  return null;
}

export const following = {
  follow: async (hands, action) => {
    const { memory, registry, clock } = hands;
    const { epoch, primary, semiSync } = action;
    if (epoch > memory.promise.epoch) {
      const next = {
        ...memory.promise,
        epoch,
        seenEpoch: Math.max(epoch, memory.promise.seenEpoch),
      };
      await hands.disk.writePromise(next);
      memory.promise = next;
    }
    const mysqld = mysqldOf(hands);
    const mine = await mysqld.stopReceiver();
    // A second look: what was only in flight is there now (S21).
    const first = await extra(hands, action, mine);
    if (first !== null) await clock.sleep(SECOND_LOOK_MS);
    const found = first === null ? null : await extra(hands, action, mine);
    if (found !== null) {
      memory.errant = { primary, ...found };
      hands.announce("errant", `cannot follow epoch ${epoch}: ${found.why}`);
      return;
    }
    const flag = semiSync && (await inVoters(hands, epoch));
    const { armed } = await mysqld.follow(action, { serverId: memory.serverId ?? 0 }, flag);
    if (armed) disarm(hands, mysqld);
    memory.errant = null;
    memory.gaveUp = null;
    memory.passedOver = null;
    memory.sight = { ...NO_SIGHT, receiverDownSince: clock.now() };
    const known = formatGtidSet(heldSet(mine));
    memory.following = { epoch, primary, semiSync: flag, since: clock.now(), known };
    await forgiven(hands);
    memory.flagVer = registry.facts().state?.value.ver ?? 0;
  },

  "set-semi-sync": async (hands, { on, epoch }) => {
    const { memory, registry } = hands;
    const flag = on && (await inVoters(hands, epoch));
    await mysqldOf(hands).setSemiSyncReplica(flag);
    if (!flag) await forgiven(hands);
    if (memory.following !== null) memory.following = { ...memory.following, semiSync: flag };
    memory.flagVer = registry.facts().state?.value.ver ?? 0;
  },

  "start-applier": async (hands) => mysqldOf(hands).startApplier(),

  "ask-join": async (hands, { ver, epoch }) => {
    const { kv, keys, memory, node } = hands;
    const id = `join-${uuidOf(hands)}`;
    const wish: Intent = {
      id,
      verb: "join",
      to: null,
      uuid: memory.uuid,
      serverId: memory.serverId,
      epoch,
      ver,
      by: node.name,
      at: new Date(hands.clock.wall()).toISOString(),
      outcome: null,
    };
    await kv.commit([{ do: "set", key: keys.intent(id), value: JSON.stringify(wish) }]);
    hands.registry.noteIntent(wish);
    memory.joinAsked = { epoch, ver, at: hands.clock.now(), reconnected: false };
  },

  reconnect: async (hands) => {
    const { memory } = hands;
    if (memory.joinAsked !== null) memory.joinAsked = { ...memory.joinAsked, reconnected: true };
    await mysqldOf(hands).setSemiSyncReplica(memory.following?.semiSync ?? false);
  },

  "say-lost": async (hands, { epoch, why }) => {
    const { kv, keys, node } = hands;
    const value = JSON.stringify({ node: node.name, why });
    await kv.commit([{ do: "set", key: keys.lost(epoch, uuidOf(hands)), value }]);
    hands.announce("lost", why);
  },

  "unsay-lost": async ({ kv, keys, memory }, { epoch }) => {
    if (memory.uuid !== null)
      await kv.commit([{ do: "delete", key: keys.lost(epoch, memory.uuid) }]);
  },

  "end-session": async (hands, { session, why }) => {
    await hands.leaser.destroy(session);
    hands.announce("session-ended", why);
  },
} satisfies Partial<Executors>;

const disarming = new WeakMap<Hands, Promise<void>>();

/** In the background: it takes up to a second, and the new primary waits for this node's acknowledgement. */
export function disarm(hands: Hands, mysqld: Mysqld): void {
  const done = mysqld.disarmReplica().catch((error: unknown) => {
    // FOLLOW anew tries again: a replica whose own applier waits for acknowledgements would fall behind.
    hands.memory.following = null;
    hands.log.warn("semi-sync source half", { why: messageOf(error) });
  });
  disarming.set(hands, done);
}

/** Before this node arms itself: a late OFF would take the acknowledgements away again. */
export async function disarmed(hands: Hands): Promise<void> {
  await disarming.get(hands);
}

/** Outside of V nothing that it has forgotten can count: from here on its promises are whole again (§2). */
async function forgiven(hands: Hands): Promise<void> {
  const { memory } = hands;
  if (memory.amnesiac !== true) return;
  const state = await consistentState(hands);
  if (state === null || state.value.voters.includes(uuidOf(hands))) return;
  const whole = { ...memory.promise, amnesiac: false };
  await hands.disk.writePromise(whole);
  memory.promise = whole;
  memory.amnesiac = false;
  memory.promisedHigh = 0;
}

/**
 * §7 add: the flag goes ON only after a consistent read of a state of this epoch with this uuid in V, and after that is
 * noted: what this node acknowledges must be explained by what it can say without Consul (§7a).
 */
async function inVoters(hands: Hands, epoch: number): Promise<boolean> {
  const state = await consistentState(hands);
  if (state !== null && !isNoted(hands.memory.promise, state.value)) await note(hands, state.value);
  return state?.value.epoch === epoch && state.value.voters.includes(uuidOf(hands));
}
