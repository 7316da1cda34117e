// `autopilot switchover [--to NODE]`: records the wish, waits for its outcome, says how long writes stood still.
// The CLI never acts: the primary decides on the wish, and refuses it with its reasons.
import { randomUUID } from "node:crypto";
import {
  RefusedError,
  UnavailableError,
  type RecipeVerb,
  type VerbCall,
} from "../../../src/index.ts";
import type { Intent } from "../core/observation.ts";
import { keysOf, parseIntent } from "../keys.ts";
import { primaryOf, requireCluster, see } from "../view.ts";

/** Drain 3 s, catching up 3 s, the election's own 10 s, and some air. */
const OUTCOME_WITHIN_MS = 30_000;

async function run(call: VerbCall): Promise<number> {
  const { kv, cluster, clock } = call;
  const keys = keysOf(cluster);
  await requireCluster(kv, cluster);
  const before = await see(call, cluster);
  const from = primaryOf(before);
  if (from === null || before.state === null)
    throw new RefusedError("AP_SWITCHOVER_REFUSED", "there is no primary to switch over from");
  const to = typeof call.options["to"] === "string" ? call.options["to"] : null;
  if (to !== null && !before.rows.some((r) => r.node === to))
    throw new RefusedError("AP_NODE_UNKNOWN", `no node ${to} in cluster ${cluster}`);
  const intent: Intent = {
    id: `switchover-${randomUUID()}`,
    verb: "switchover",
    to,
    uuid: null,
    serverId: null,
    epoch: before.state.epoch,
    ver: before.state.ver,
    by: process.env["USER"] ?? "operator",
    at: new Date().toISOString(),
    outcome: null,
  };
  const started = clock.now();
  await kv.commit([
    { do: "cas", key: keys.intent(intent.id), value: JSON.stringify(intent), index: 0 },
  ]);
  if (call.options["wait"] === false) {
    call.print(call.json ? JSON.stringify({ intent: intent.id }) : `recorded ${intent.id}`);
    return 0;
  }
  call.progress(`asking ${from.node} to hand over${to === null ? "" : ` to ${to}`}`);
  const outcome = await answered(call, intent.id);
  if (!outcome.ok)
    throw new RefusedError("AP_SWITCHOVER_REFUSED", `switchover: ${outcome.says}`, {
      reasons: [outcome.says],
    });
  const after = await see(call, cluster);
  const ms = Math.round(clock.now() - started);
  const primary = primaryOf(after)?.node ?? null;
  const done = {
    ok: true,
    from: from.node,
    primary,
    epoch: after.state?.epoch ?? null,
    tookMs: ms,
    stoodStillMs: outcome.stoodStillMs,
  };
  call.print(
    call.json
      ? JSON.stringify(done)
      : `${outcome.says}; writes stood still for ${outcome.stoodStillMs ?? "?"} ms (${ms} ms in all)`,
  );
  return 0;
}

/** The outcome; and the wish is taken back, whatever comes: it must not come true when nobody expects it any more. */
async function answered(call: VerbCall, id: string): Promise<NonNullable<Intent["outcome"]>> {
  try {
    return await outcomeOf(call, id);
  } finally {
    await call.kv.commit([{ do: "delete", key: keysOf(call.cluster).intent(id) }]);
  }
}

/** Waits by blocking query until the primary has answered. Errors: UnavailableError AP_OUTCOME_TIMEOUT. */
async function outcomeOf(call: VerbCall, id: string): Promise<NonNullable<Intent["outcome"]>> {
  const end = new AbortController();
  const timeout = AbortSignal.timeout(OUTCOME_WITHIN_MS);
  let outcome: Intent["outcome"] = null;
  await call.kv.watch(keysOf(call.cluster).intent(id), {
    signal: AbortSignal.any([end.signal, timeout, call.signal]),
    onChange: ([entry]) => {
      outcome = entry === undefined ? null : (parseIntent(entry.value)?.outcome ?? null);
      if (outcome !== null) end.abort();
    },
    onError: () => call.progress("waiting for Consul"),
  });
  call.signal.throwIfAborted();
  if (outcome === null)
    throw new UnavailableError("AP_OUTCOME_TIMEOUT", "the switchover had no outcome within 30 s");
  return outcome;
}

export const switchover: RecipeVerb = {
  name: "switchover",
  summary: "hand the primary role over without losing a write",
  options: {
    "--to <node>": "the node to hand over to (default: the best one)",
    "--no-wait": "do not wait for the outcome",
  },
  run,
};
