// `autopilot pause` and `resume`: while paused the cluster starts no election, no hand-over and no change of voters.
// A primary that fails stays failed until somebody resumes: said loudly, because that is what it costs. Both wait until
// every node that lives says that it has taken notice.
import { UnavailableError, type RecipeVerb, type VerbCall } from "../../../src/index.ts";
import { keysOf } from "../keys.ts";
import { requireCluster, see, type Row } from "../view.ts";

/** A node writes such a change at once; one that is only slow does so within its 2 s. */
const NOTICED_WITHIN_MS = 10_000;

const options = { "--no-wait": "do not wait until every node says so" };

export const pause: RecipeVerb = {
  name: "pause",
  summary: "the cluster decides nothing by itself until `resume`: no failover",
  options,
  run: async (call) => {
    await requireCluster(call.kv, call.cluster);
    const by = process.env["USER"] ?? "operator";
    const value = JSON.stringify({ at: new Date().toISOString(), by });
    await call.kv.commit([{ do: "set", key: keysOf(call.cluster).pause, value }]);
    return told(call, true, "paused: no automatic failover until `autopilot resume`");
  },
};

export const resume: RecipeVerb = {
  name: "resume",
  summary: "the cluster decides by itself again",
  options,
  run: async (call) => {
    await requireCluster(call.kv, call.cluster);
    await call.kv.commit([{ do: "delete", key: keysOf(call.cluster).pause }]);
    return told(call, false, "resumed");
  },
};

async function told(call: VerbCall, paused: boolean, says: string): Promise<number> {
  const nodes = call.options["wait"] === false ? [] : await noticed(call, paused);
  const who = nodes.length === 0 ? "" : ` (${nodes.join(", ")})`;
  call.print(call.json ? JSON.stringify({ paused, nodes }) : `${says}${who}`);
  return 0;
}

/** Names of the nodes that live, once all of them have said it. Errors: UnavailableError AP_OUTCOME_TIMEOUT. */
async function noticed(call: VerbCall, paused: boolean): Promise<readonly string[]> {
  const end = new AbortController();
  const timeout = AbortSignal.timeout(NOTICED_WITHIN_MS);
  let rows: readonly Row[] | null = null;
  const look = async (): Promise<void> => {
    rows = (await see(call, call.cluster)).rows.filter(
      ({ role }) => role !== "unknown" && role !== "stopped",
    );
    if (rows.every((row) => row.paused === paused)) end.abort();
  };
  const waiting = (): void => call.progress("waiting for Consul");
  await call.kv.watch(keysOf(call.cluster).nodes, {
    signal: AbortSignal.any([end.signal, timeout, call.signal]),
    onChange: () => void look().catch(waiting),
    onError: waiting,
  });
  call.signal.throwIfAborted();
  const all: readonly Row[] = rows ?? [];
  if (end.signal.aborted) return all.map(({ node }) => node);
  const silent = all.filter((row) => row.paused !== paused).map(({ node }) => node);
  const what = paused ? "pause" : "end of the pause";
  const hint = "it is recorded; they will see it when they reach Consul";
  throw new UnavailableError(
    "AP_OUTCOME_TIMEOUT",
    `not every node has noticed the ${what} within 10 s: ${silent.join(", ")}`,
    { hint },
  );
}
