// Election and promotion, the effects (PROTOCOL §4). Each step re-checks its precondition where it takes effect:
// in the transaction that writes it, or by a consistent read right before.
import { ConflictError, messageOf, type KvOp } from "../../../src/index.ts";
import { COPY_ACCOUNT } from "../core/accounts.ts";
import { noting } from "../core/note.ts";
import { heldSet, joinedEpoch, opened, published, raised, short } from "../core/state.ts";
import { DISK_FULL_BELOW, MARKER_WITHIN_MS, PROVEN_WITHIN_MS } from "../core/policy.ts";
import type { LeaderValue, PromiseRecord, State } from "../core/observation.ts";
import { leaf } from "../keys.ts";
import { forgetPrimacy, forgetReplication, NO_HEARTBEAT, rememberMissed } from "../memory.ts";
import { heldBy } from "../registry.ts";
import { size, subtract, gtidSet } from "../core/gtid.ts";
import { disarm, disarmed } from "./following.ts";
import {
  commitNoted,
  consistentState,
  crashPoint,
  markerOf,
  mysqldOf,
  note,
  sessionOf,
  uuidOf,
  writeState,
  type Executors,
  type Hands,
} from "./hands.ts";
import { killMysqld } from "./server.ts";
import { beginTrail, notePromises, noteStep } from "./trail.ts";

/** Between two tries to write the marker. */
const MARK_AGAIN_AFTER_MS = 500;

/** What `leader` says while we hold it for this epoch. */
export function leaderValue(hands: Hands, epoch: number): string {
  const { node, config } = hands;
  return heldBy({
    uuid: uuidOf(hands),
    node: node.name,
    host: node.host,
    port: config.port,
    agentPort: node.httpPort,
    epoch,
  });
}

async function takeLock(hands: Hands, epoch: number): Promise<boolean> {
  const { keys, lease } = hands;
  const session = sessionOf(hands);
  const value = leaderValue(hands, epoch);
  const done = await commitNoted(hands, [{ do: "lock", key: keys.leader, value, session }]);
  if (done.ok) await lease.hold({ key: keys.leader, value });
  return done.ok;
}

/** Gives the lock up; the value that stays says why and who should be next. */
export async function releaseLock(
  hands: Hands,
  left: { readonly why: string; readonly prefer: string | null; readonly closed: boolean },
): Promise<void> {
  const { keys, lease, registry } = hands;
  const epoch = registry.facts().state?.value.epoch ?? 0;
  await lease.hold(null);
  const value: LeaderValue = {
    held: false,
    epoch,
    reason: left.why,
    prefer: left.prefer,
    closed: left.closed,
    proven: isProven(hands, epoch),
  };
  const session = sessionOf(hands);
  await commitNoted(hands, [
    { do: "unlock", key: keys.leader, value: JSON.stringify(value), session },
  ]);
}

/** Shown to this primary a moment ago; or to the one before, whose election this candidate passes on. */
function isProven({ memory, clock }: Hands, epoch: number): boolean {
  const { proof, provenFor } = memory;
  if (provenFor === epoch) return true;
  return proof !== null && proof.epoch === epoch && clock.now() - proof.at <= PROVEN_WITHIN_MS;
}

/** Which incarnation of mysqld was armed for which epoch: publish refuses any other (I8). */
const armed = new WeakMap<Hands, { readonly epoch: number; readonly incarnation: number }>();

export const election = {
  "take-lock": async (hands) => {
    await takeLock(hands, 0);
  },

  "release-lock": async (hands, { why, prefer, closed, gaveUp }) => {
    const { memory, clock } = hands;
    await releaseLock(hands, { why, prefer, closed });
    if (gaveUp) memory.gaveUp = { at: clock.now(), times: (memory.gaveUp?.times ?? 0) + 1 };
    // A drained primary's preference is its own business (§6): only an election that was passed on counts.
    memory.passedOver = closed ? null : prefer;
    hands.announce("released", why);
  },

  elect: async (hands, { from, index }) => {
    const { keys, lease } = hands;
    const next = raised(from);
    beginTrail(hands, next.epoch);
    const left = hands.registry.facts().leader?.value;
    const proven = left?.held === false && left.proven && left.epoch === from.epoch;
    hands.memory.provenFor = proven ? next.epoch : null;
    const value = leaderValue(hands, next.epoch);
    const done = await commitNoted(hands, [
      { do: "lock", key: keys.leader, value, session: sessionOf(hands) },
      { do: "cas", key: keys.state, value: JSON.stringify(next), index },
    ]);
    if (!done.ok) {
      // Somebody was faster, or our session is gone: not at once again.
      hands.memory.gaveUp = { at: hands.clock.now(), times: hands.memory.gaveUp?.times ?? 1 };
      return;
    }
    await lease.hold({ key: keys.leader, value });
    hands.announce("electing", `${hands.node.name} starts the election of epoch ${next.epoch}`);
    crashPoint("elect:epoch");
  },

  promise: async (hands, { epoch }) => {
    const { memory, node, config, kv, keys, registry, disk } = hands;
    const { state } = registry.facts();
    const seenEpoch = Math.max(memory.promise.seenEpoch, epoch);
    const promise = { ...memory.promise, epoch, seenEpoch };
    const next = state === null ? promise : noting(promise, state.value);
    // I2: durable before the set is read, let alone published.
    await disk.writePromise(next);
    memory.promise = next;
    rememberMissed(memory);
    forgetPrimacy(memory);
    forgetReplication(memory);
    const facts = await mysqldOf(hands).stopReceiver();
    const record: PromiseRecord = {
      ...facts,
      uuid: uuidOf(hands),
      node: node.name,
      epoch,
      amnesiac: memory.amnesiac ?? true,
      joined: joinedEpoch(facts, markerOf(hands)),
      backlog: size(subtract(heldSet(facts), gtidSet(facts.executed))),
      priority: config.tags.priority,
      noFailover: config.tags.noFailover,
      zone: config.tags.zone,
      stopping: memory.stopping,
      diskFull: memory.diskFree !== null && memory.diskFree.bytes < DISK_FULL_BELOW,
    };
    crashPoint("elect:promised");
    await kv.commit([
      { do: "set", key: keys.promise(epoch, record.uuid), value: JSON.stringify(record) },
    ]);
    memory.answered = epoch;
  },

  fetch: async (hands, { epoch, from, host, port }) => {
    const { memory, clock } = hands;
    const mysqld = mysqldOf(hands);
    await mysqld.stopReceiver();
    // Never with the flag: this node has promised to acknowledge nothing of an older epoch.
    const { armed } = await mysqld.follow({ host, port }, { serverId: COPY_ACCOUNT }, false);
    if (armed) disarm(hands, mysqld);
    const before = memory.fetching?.epoch === epoch ? memory.fetching : null;
    const tried = before === null ? [] : [...before.tried, before.from];
    memory.fetching = { epoch, from, since: clock.now(), tried };
    hands.announce(
      "fetching",
      `copying what was promised from ${short(from)} before epoch ${epoch}`,
    );
  },

  "take-over": async (hands, { epoch, acks }) => {
    const { incarnation } = hands.handle.process().facts();
    await disarmed(hands);
    notePromises(hands, epoch);
    await mysqldOf(hands).takeOver(acks);
    forgetReplication(hands.memory);
    armed.set(hands, { epoch, incarnation });
  },

  publish: async (hands, { epoch, from, index }) => {
    const { memory, handle, clock } = hands;
    const { incarnation, running } = handle.process().facts();
    const ready = armed.get(hands);
    // A server that restarted since is not armed: its semi-sync is off.
    if (!running || ready?.epoch !== epoch || ready.incarnation !== incarnation) return;
    const done = await writeState(hands, published(from, uuidOf(hands)), index);
    if (!done.ok) return;
    memory.primacy = { epoch, incarnation, stage: "published", since: clock.now() };
    noteStep(hands, epoch, "published");
    memory.heartbeat = NO_HEARTBEAT;
    memory.change = null;
    memory.switchover = null;
    crashPoint("elect:published");
  },

  mark: async (hands, { epoch, voters }) => {
    const { memory, clock, wake } = hands;
    const mysqld = mysqldOf(hands);
    const ids = [COPY_ACCOUNT, ...(await serverIdsOf(hands, voters))];
    const state = hands.registry.facts().state?.value;
    // §7a: whoever marks an epoch can say after any crash that it is its primary.
    const noted = state?.epoch === epoch ? note(hands, state) : Promise.resolve();
    await Promise.all([noted, mysqld.liftSuperReadOnly()]);
    const { accounts } = await mysqld.observe();
    const wrong = (locked: boolean) =>
      accounts.filter((a) => a.locked === locked && ids.includes(a.serverId) === locked);
    // Only what is not as it should be: a lock that is set anew costs every login that is under way.
    await mysqld.setAccounts({
      unlocked: wrong(true).map((a) => a.serverId),
      locked: wrong(false).map((a) => a.serverId),
      keep: voters,
    });
    const primacy = memory.primacy;
    if (primacy === null || primacy.epoch !== epoch) return;
    const marking = { ...primacy, stage: "marking" } as const;
    memory.primacy = marking;
    void mysqld
      .mark(markerOf(hands), epoch, MARKER_WITHIN_MS)
      .then(() => {
        crashPoint("elect:marked");
        if (memory.primacy !== marking) return;
        memory.primacy = { ...marking, stage: "marked", since: clock.now() };
        noteStep(hands, epoch, "marked");
      })
      // Tried again until the 30 s since publication are over: a GTID that is there already is skipped by the server.
      .catch(async (error: unknown) => {
        hands.log.warn("marker", { why: messageOf(error) });
        await clock.sleep(MARK_AGAIN_AFTER_MS);
        if (memory.primacy === marking) memory.primacy = { ...marking, stage: "published" };
      })
      .finally(wake);
  },

  open: async (hands, { epoch }) => {
    const { memory, node, clock } = hands;
    const state = await consistentState(hands);
    const mine =
      state !== null && state.value.epoch === epoch && state.value.primary === memory.uuid;
    if (!mine || memory.primacy?.epoch !== epoch) return;
    const mysqld = mysqldOf(hands);
    // Looked at right before the gate opens: what was armed may have been switched off since (I7, S3).
    const { semiSync } = await mysqld.observe();
    const armedNow = semiSync.sourceEnabled && semiSync.sourceActive;
    if (state.value.acks > 0 && !(armedNow && semiSync.waitFor >= state.value.acks)) {
      await killMysqld(hands);
      return;
    }
    await mysqld.open();
    noteStep(hands, epoch, "opened");
    const again = memory.primacy.stage === "open";
    if (!again) memory.primacy = { ...memory.primacy, stage: "open", since: clock.now() };
    memory.gaveUp = null;
    memory.passedOver = null;
    const known = await writeState(hands, opened(state.value), state.index);
    if (!known.ok) return;
    crashPoint("elect:opened");
    hands.announce("opened", `${node.name} is primary at epoch ${epoch}`, {
      epoch,
      voters: state.value.voters.map(short),
      acks: state.value.acks,
      lockFreeMs: memory.trail?.lockFreeMs ?? null,
      steps: memory.trail?.steps ?? {},
    });
    await settle(hands, state.value).catch((error: unknown) =>
      hands.log.warn("history", { why: messageOf(error) }),
    );
    void hands.hook("promoted", { AUTOPILOT_EPOCH: String(epoch) });
  },

  "end-primacy": async (hands, { why }) => {
    await hands.lease.hold(null);
    forgetPrimacy(hands.memory);
    forgetReplication(hands.memory);
    hands.announce("primacy-ended", why);
  },

  reacquire: async (hands, { epoch }) => {
    const { memory } = hands;
    const state = await consistentState(hands);
    // Consul has lost its data or went back: no sign of another primary. The next tick refuses it (§7).
    const known = memory.promise.ver;
    if (state === null || state.value.ver < known || state.value.epoch < epoch) return;
    if (state?.value.epoch !== epoch || state.value.primary !== memory.uuid) {
      await killMysqld(hands);
      return;
    }
    if (!(await takeLock(hands, epoch)))
      throw new ConflictError("AP_VERB_FAILED", "another node has taken the lock");
    hands.announce("reacquired", `the lock of epoch ${epoch} is held again`);
  },
} satisfies Partial<Executors>;

type Claim = { readonly serverId: number; readonly uuid: string };

async function claims(hands: Hands): Promise<readonly Claim[]> {
  return (await hands.kv.list(hands.keys.serverIds)).map((entry) => {
    const { uuid } = JSON.parse(entry.value) as { uuid: string };
    return { serverId: Number(leaf(entry)), uuid };
  });
}

/**
 * server_ids of these uuids, from the keys that claimed them, or from the voter's own record where nobody has claimed that
 * one. Errors: a voter without one must not be locked out.
 */
async function serverIdsOf(hands: Hands, voters: readonly string[]): Promise<readonly number[]> {
  const claimed = await claims(hands);
  return voters.map((voter) => {
    const found = claimed.find((claim) => claim.uuid === voter);
    if (found !== undefined) return found.serverId;
    const said = hands.registry.peer(voter)?.serverId ?? null;
    if (said !== null && !claimed.some(({ serverId }) => serverId === said)) return said;
    throw new ConflictError("AP_VERB_FAILED", `voter ${short(voter)} has no server_id in Consul`);
  });
}

/** History of the epoch, and what older epochs have left in Consul; nothing waits for it, nothing depends on it. */
async function settle(hands: Hands, { epoch, voters, acks }: State): Promise<void> {
  const { keys, kv, node, registry, clock, memory } = hands;
  const trail = memory.trail?.epoch === epoch ? memory.trail : null;
  // An operator's wish that began this epoch stands there already, and stays for ever (§7a).
  const begun = await kv.get(keys.history(epoch));
  const record = {
    ...(begun === null ? {} : (JSON.parse(begun.value) as object)),
    epoch,
    node: node.name,
    uuid: memory.uuid,
    voters,
    acks,
    at: new Date(clock.wall()).toISOString(),
    why: trail?.why ?? "unknown: the agent was started anew",
    lockFreeMs: trail?.lockFreeMs ?? null,
    stepsMs: trail?.steps ?? {},
    promises: trail?.promises ?? [],
  };
  const old = (await kv.list(keys.allPromises)).map((entry) => Number(entry.key.split("/").at(-2)));
  const epochs = [...new Set(old)].filter((e) => e < epoch).slice(0, 20);
  const stale = registry.facts().intents.filter((i) => i.outcome !== null && i.epoch < epoch - 1);
  const ops: readonly KvOp[] = [
    { do: "set", key: keys.history(epoch), value: JSON.stringify(record) },
    ...epochs.map((e) => ({ do: "delete-tree", key: keys.promises(e) }) as const),
    ...[epoch - 1, epoch - 2].map((e) => ({ do: "delete-tree", key: keys.losts(e) }) as const),
    ...stale.slice(0, 10).map((i) => ({ do: "delete", key: keys.intent(i.id) }) as const),
  ];
  await kv.commit(ops);
}
