// `autopilot rebuild NODE`: records the order, and tells what becomes of it. The node itself decides on it, leaves V where
// it is a voter, sets its datadir aside and is provisioned anew. Taken back by Ctrl-C as long as it has not begun.
import {
  RefusedError,
  UnavailableError,
  type RecipeVerb,
  type VerbCall,
} from "../../../src/index.ts";
import type { Intent } from "../core/observation.ts";
import { keysOf, parseIntent } from "../keys.ts";
import { primaryOf, requireCluster, see, type Row } from "../view.ts";

/** Leaving V and stopping the server take seconds; extracting may take minutes, and is said as it goes. */
const BEGUN_WITHIN_MS = 15 * 60_000;
/** A copy takes as long as it takes; who waits longer than this looks again himself. */
const DONE_WITHIN_MS = 24 * 3_600_000;
const LOOK_EVERY_MS = 500;

async function run(call: VerbCall): Promise<number> {
  const { kv, cluster, clock, args } = call;
  await requireCluster(kv, cluster);
  const [name = ""] = args;
  const { node, epoch, ver } = await target(call, name);
  const key = keysOf(cluster).intent(`rebuild-${node.uuid}`);
  const intent: Intent = {
    id: `rebuild-${node.uuid}`,
    verb: "rebuild",
    to: name,
    uuid: node.uuid,
    serverId: null,
    epoch,
    ver,
    by: process.env["USER"] ?? "operator",
    rebuild: { voter: node.voter, kept: null },
    at: new Date().toISOString(),
    outcome: null,
  };
  const started = clock.now();
  // One order for one datadir: a second one would only be the first again.
  await kv.commit([{ do: "set", key, value: JSON.stringify(intent) }]);
  if (call.options["wait"] === false) {
    call.print(call.json ? JSON.stringify({ intent: intent.id }) : `recorded ${intent.id}`);
    return 0;
  }
  const done = await outcomeOf(call, { key, name, started });
  const { outcome, rebuild } = done;
  if (outcome === null || !outcome.ok) {
    const says = outcome?.says ?? "no outcome";
    throw new RefusedError("AP_REBUILD_REFUSED", `rebuild ${name}: ${says}`, { reasons: [says] });
  }
  const after = (await see(call, cluster)).rows.find((row) => row.node === name);
  tell(call, {
    name,
    from: node.uuid,
    after,
    says: outcome.says,
    kept: rebuild?.kept ?? null,
    started,
  });
  return 0;
}

type Target = { readonly node: Row; readonly epoch: number; readonly ver: number };

/** What needs no answer of the node. Errors: RefusedError. */
async function target(call: VerbCall, name: string): Promise<Target> {
  const { state, rows } = await see(call, call.cluster);
  const node = rows.find((row) => row.node === name);
  if (node === undefined)
    throw new RefusedError("AP_NODE_UNKNOWN", `no node ${name} in cluster ${call.cluster}`);
  const primary = primaryOf({ state, rows });
  const no =
    state === null || primary === null
      ? "there is no open primary to copy from"
      : primary.node === name
        ? "it is the primary: switch over first"
        : node.pid === 0
          ? "its agent gives no sign of life: start it first"
          : node.role === "provisioning"
            ? "it is being provisioned already"
            : null;
  if (no !== null || state === null)
    throw new RefusedError("AP_REBUILD_REFUSED", `rebuild ${name}: ${no ?? "no state"}`, {
      reasons: [no ?? "no state"],
    });
  return { node, epoch: state.epoch, ver: state.ver };
}

type Wait = { readonly key: string; readonly name: string; readonly started: number };

/** The answered intent; it is deleted, whatever comes. Errors: UnavailableError AP_OUTCOME_TIMEOUT. */
async function outcomeOf(call: VerbCall, { key, name, started }: Wait): Promise<Intent> {
  const { kv, clock, signal } = call;
  let said = "";
  try {
    for (;;) {
      const entry = await kv.get(key);
      const intent = entry === null ? null : parseIntent(entry.value);
      if (intent === null)
        throw new UnavailableError(
          "AP_OUTCOME_TIMEOUT",
          `the order to rebuild ${name} was taken back`,
        );
      if (intent.outcome !== null) return intent;
      const begun = intent.rebuild?.kept != null;
      if (clock.now() - started > (begun ? DONE_WITHIN_MS : BEGUN_WITHIN_MS))
        throw new UnavailableError("AP_OUTCOME_TIMEOUT", `rebuild ${name}: still: ${said}`);
      const row = (await see(call, call.cluster)).rows.find((one) => one.node === name);
      const says = row?.says ?? "no datadir: waiting to be provisioned";
      if (says !== said) call.progress(`${name}: ${says}`);
      said = says;
      await clock.sleep(LOOK_EVERY_MS, signal);
    }
  } finally {
    await kv.commit([{ do: "delete", key }]);
  }
}

type Done = {
  readonly name: string;
  readonly from: string;
  readonly after: Row | undefined;
  readonly says: string;
  readonly kept: NonNullable<Intent["rebuild"]>["kept"];
  readonly started: number;
};

function tell(call: VerbCall, { name, from, after, says, kept, started }: Done): void {
  const tookMs = Math.round(call.clock.now() - started);
  const uuid = after?.uuid ?? null;
  const voter = after?.voter ?? false;
  const datadir = kept?.datadir ?? null;
  const errant = kept?.errant ?? null;
  const gtids = kept?.gtids ?? "";
  const complete = kept?.complete ?? false;
  if (call.json) {
    const done = {
      ok: true,
      node: name,
      from,
      uuid,
      voter,
      tookMs,
      datadir,
      errant,
      gtids,
      complete,
    };
    return call.print(JSON.stringify(done));
  }
  const none = complete ? "nothing that others lack" : "nothing that is known to lack elsewhere";
  const lacked = gtids === "" ? none : `${gtids}, extracted to ${errant ?? "nowhere"}`;
  call.print(`${says} (${(tookMs / 1_000).toFixed(1)} s)`);
  call.print(`the old datadir is kept in ${datadir ?? "nowhere"} on that node`);
  call.print(`it held ${lacked}`);
  if (!complete)
    call.print("not all of that could be extracted: its note.md and the node's log say why");
}

export const rebuild: RecipeVerb = {
  name: "rebuild",
  summary: "give a node's data up for a new copy; what others lack is kept as evidence",
  args: { "<node>": "the node" },
  options: { "--no-wait": "do not wait for the outcome" },
  run,
};
