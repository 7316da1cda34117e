// Orders of people and of this node's own end: switchover, stop (PROTOCOL §6).
import { HAND_OVER_WITHIN_MS } from "../core/policy.ts";
import type { Intent } from "../core/observation.ts";
import { abortJob } from "./data.ts";
import { releaseLock } from "./election.ts";
import { consistentState, mysqldOf, type Executors, type Hands } from "./hands.ts";
import { dropIntent } from "./membership.ts";
import { killMysqld } from "./server.ts";

/** Shorter than the 5 s after which the lease keeper takes the loop for dead. */
const DRAIN_MS = 3_000;
const CATCH_UP_MS = 3_000;
/** A node that wrote no record for this long (each writes every 2 s) does not stop with the others. */
const SILENT_FOR_GOOD_MS = 10_000;

async function answer(
  hands: Hands,
  id: string,
  outcome: { ok: boolean; says: string },
): Promise<void> {
  const intent = hands.registry.intent(id);
  if (intent === undefined) return;
  const { memory, registry } = hands;
  const at = new Date(hands.clock.wall()).toISOString();
  const opened = registry.openedAt();
  const stoodStillMs =
    outcome.ok && memory.drainedAt !== null && opened !== null
      ? Math.round(opened - memory.drainedAt)
      : null;
  const answered: Intent = { ...intent, outcome: { ...outcome, at, stoodStillMs } };
  await hands.kv.commit([
    { do: "set", key: hands.keys.intent(id), value: JSON.stringify(answered) },
  ]);
  hands.registry.noteIntentGone(id);
}

export const intents = {
  drain: async (hands, { intent, to }) => {
    const { memory, clock } = hands;
    const primacy = memory.primacy;
    if (primacy === null) return;
    memory.drainedAt = clock.now();
    memory.primacy = { ...primacy, stage: "draining", since: clock.now() };
    const drained = await mysqldOf(hands).drain(DRAIN_MS);
    if (memory.primacy?.incarnation !== primacy.incarnation) return;
    if (drained) {
      // Nothing waits: every commit was acknowledged.
      memory.proof = { epoch: primacy.epoch, at: clock.now() };
      memory.primacy = { ...primacy, stage: "drained", since: clock.now() };
      memory.switchover = { id: intent, to };
      return;
    }
    memory.primacy = primacy;
    // A stopping node does not try again: it cuts its clients instead.
    if (intent === null) memory.stoppingSince = clock.now() - HAND_OVER_WITHIN_MS - 1;
    else await answer(hands, intent, { ok: false, says: "writes did not drain within 3 s" });
  },

  "hand-over": async (hands, { host, port }) => {
    const { executed } = await mysqldOf(hands).observe();
    await hands.peers.awaitSet({ host, port }, { executed, limitMs: CATCH_UP_MS });
  },

  undrain: async (hands, { epoch, why }) => {
    const { memory, clock } = hands;
    const state = await consistentState(hands);
    const same = state?.value.epoch === epoch && state.value.primary === memory.uuid;
    if (!same || memory.primacy === null) {
      await killMysqld(hands);
      return;
    }
    await mysqldOf(hands).undrain();
    memory.primacy = { ...memory.primacy, stage: "open", since: clock.now() };
    const id = memory.switchover?.id ?? null;
    memory.switchover = null;
    if (id === null) memory.stoppingSince = clock.now() - HAND_OVER_WITHIN_MS - 1;
    else await answer(hands, id, { ok: false, says: why });
  },

  "answer-intent": async (hands, { intent, ok, why }) => {
    await answer(hands, intent, { ok, says: why });
    if (hands.memory.switchover?.id === intent) hands.memory.switchover = null;
  },

  "drop-intent": async (hands, { intent }) => dropIntent(hands, intent),

  "begin-stop": async ({ memory, clock }) => {
    memory.stopping = true;
    memory.stoppingSince ??= clock.now();
  },

  "finish-stop": async (hands, { why }) => {
    await abortJob(hands);
    const { leader, session } = hands.registry.facts();
    if (session !== null && leader?.session === session) {
      // Not vital: the session ends with this process anyway, this only saves the others the wait.
      await releaseLock(hands, { why: `stopped: ${why}`, prefer: null, closed: true }).catch(
        (error: unknown) => hands.log.warn("release", { err: error }),
      );
    }
    await lastOneOut(hands);
    hands.memory.stopped = true;
  },
} satisfies Partial<Executors>;

/** The wish that the whole cluster stops ends with the last node: the next start is a new wish. */
async function lastOneOut(hands: Hands): Promise<void> {
  const { registry, memory } = hands;
  if (registry.intent("stop-cluster") === undefined) return;
  await registry.refreshPeers(0);
  const { peers, peersAgeMs } = registry.facts();
  if (peersAgeMs === null || peersAgeMs > 1_000) return;
  const others = peers.filter((peer) => peer.uuid !== memory.uuid);
  if (!others.every((peer) => peer.stopped || peer.ageMs > SILENT_FOR_GOOD_MS)) return;
  await dropIntent(hands, "stop-cluster").catch((error: unknown) =>
    hands.log.warn("the wish to stop stays in Consul", { err: error }),
  );
}
