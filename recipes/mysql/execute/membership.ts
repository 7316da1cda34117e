// Changes of V and k, the effects (PROTOCOL §7). A change is remembered before its CAS is sent: while its answer is not
// known, the stricter of both configurations stays in force, and nothing else is changed.
import { COPY_ACCOUNT } from "../core/accounts.ts";
import { changed } from "../core/state.ts";
import type { Do } from "../core/action.ts";
import type { State } from "../core/observation.ts";
import {
  consistentState,
  mysqldOf,
  note,
  writeState,
  uuidOf,
  type Executors,
  type Hands,
} from "./hands.ts";

export const membership = {
  admit: async (hands, { intent, serverId, uuid }) => {
    const mysqld = mysqldOf(hands);
    const { accounts } = await mysqld.observe();
    const known = accounts.some((account) => account.serverId === serverId);
    if (known) await mysqld.uncut(serverId);
    else await mysqld.createAccount(serverId);
    await dropIntent(hands, intent);
    hands.announce("admitted", `server_id ${serverId} (${uuid.slice(0, 8)}) may replicate`);
  },

  cut: async (hands, { uuid, serverId, voters, acks }) => {
    await mysqldOf(hands).cut(serverId, uuid);
    hands.memory.change = {
      kind: "remove",
      uuid,
      voters,
      acks,
      stage: "prepared",
      since: hands.clock.now(),
    };
  },

  "cut-all": async (hands) => {
    const mysqld = mysqldOf(hands);
    const { accounts } = await mysqld.observe();
    const locked = accounts.map(({ serverId }) => serverId).filter((id) => id !== COPY_ACCOUNT);
    await mysqld.setAccounts({ unlocked: [], locked, keep: [] });
    hands.memory.change = {
      kind: "alone",
      uuid: null,
      voters: [uuidOf(hands)],
      acks: 0,
      stage: "prepared",
      since: hands.clock.now(),
    };
  },

  "raise-acks": async (hands, { acks, voters }) => {
    await mysqldOf(hands).setAcks(acks);
    hands.memory.change = {
      kind: "acks-up",
      uuid: null,
      voters,
      acks,
      stage: "prepared",
      since: hands.clock.now(),
    };
  },

  "lower-acks": async (hands, { acks }) => {
    const { memory } = hands;
    // §6 forbids this on an un-fenced primary, but where Consul itself, read now, asks for no more.
    const state = await consistentState(hands);
    const mine =
      state?.value.primary === memory.uuid && state.value.epoch === memory.primacy?.epoch;
    const settled =
      memory.change === null ||
      (memory.change.kind === "acks-up" && memory.change.stage === "prepared");
    const newest = (state?.value.ver ?? 0) >= hands.registry.highestVer();
    if (!mine || !settled || !newest || state?.value.acks !== acks) return;
    const mysqld = mysqldOf(hands);
    if (acks === 0) await mysqld.releaseWaiters();
    else await mysqld.setAcks(acks);
    hands.memory.change = null;
  },

  "commit-change": async (hands, action) => {
    const { memory, clock } = hands;
    const { kind, uuid, voters, acks } = action;
    const next = changed(action.from, voters, acks);
    // Whatever becomes of the answer, this node can say which two configurations may hold (§7a).
    await note(hands, action.from, next);
    memory.change = { kind, uuid, voters, acks, stage: "sent", since: clock.now() };
    const done = await writeState(hands, next, action.index);
    if (done.ok || (await landed(hands, next, action.index))) await learn(hands, action);
  },

  "make-account": async (hands, { serverId }) => mysqldOf(hands).createAccount(serverId),

  "drop-account": async (hands, { serverId, why }) => {
    const { kv, keys, memory, clock } = hands;
    memory.droppedAt = clock.now();
    // Claimed since, by a datadir in the making: it will ask for exactly this account.
    if ((await kv.get(keys.serverId(serverId), { consistent: true })) !== null) return;
    await mysqldOf(hands).dropAccount(serverId);
    hands.announce("account-dropped", why);
  },

  kick: async (hands, { uuids }) => {
    const mysqld = mysqldOf(hands);
    const { dumpThreads } = await mysqld.observe();
    for (const dump of dumpThreads)
      if (uuids.includes(dump.uuid)) await mysqld.cut(dump.serverId, dump.uuid);
  },
} satisfies Partial<Executors>;

/**
 * Our CAS was refused: either an earlier send of the same change had landed, or the index moved on and no send of ours
 * can ever land (then the change is given up), or only the lock was missing (then it stays in doubt).
 */
async function landed(hands: Hands, next: State, index: number): Promise<boolean> {
  const now = await consistentState(hands);
  if (now === null || now.index === index) return false;
  const same =
    now.value.epoch === next.epoch &&
    now.value.acks === next.acks &&
    JSON.stringify(now.value.voters.toSorted()) === JSON.stringify(next.voters);
  if (!same) hands.memory.change = null;
  return same;
}

/** The change is in Consul: noted first, because nobody could guess it from the data (§7a), its other half may happen. */
async function learn(hands: Hands, action: Do<"commit-change">): Promise<void> {
  const { kind, uuid, voters, acks, from, why } = action;
  await note(hands, changed(from, voters, acks));
  const mysqld = mysqldOf(hands);
  if (acks === 0 && (kind === "alone" || kind === "acks-down")) await mysqld.releaseWaiters();
  else if (kind === "acks-down") await mysqld.setAcks(acks);
  hands.memory.change = null;
  const who = uuid === null ? "" : ` ${hands.registry.peer(uuid)?.node ?? uuid.slice(0, 8)}`;
  hands.announce("membership", `${kind}${who}: ${voters.length} voters, acks ${acks} (${why})`);
}

export async function dropIntent(hands: Hands, id: string): Promise<void> {
  await hands.kv.commit([{ do: "delete", key: hands.keys.intent(id) }]);
  hands.registry.noteIntentGone(id);
}
