// `autopilot pause` and `resume`: while paused the cluster starts no election, no hand-over and no change of voters.
// A primary that fails stays failed until somebody resumes: said loudly, because that is what it costs.
import type { RecipeVerb, VerbCall } from "../../../src/index.ts";
import { keysOf } from "../keys.ts";
import { requireCluster } from "../view.ts";

const options = {};

export const pause: RecipeVerb = {
  name: "pause",
  summary: "the cluster decides nothing by itself until `resume`: no failover",
  options,
  run: async ({ kv, cluster, print, json }: VerbCall) => {
    await requireCluster(kv, cluster);
    const value = JSON.stringify({
      at: new Date().toISOString(),
      by: process.env["USER"] ?? "operator",
    });
    await kv.commit([{ do: "set", key: keysOf(cluster).pause, value }]);
    print(
      json
        ? JSON.stringify({ paused: true })
        : "paused: no automatic failover until `autopilot resume`",
    );
    return 0;
  },
};

export const resume: RecipeVerb = {
  name: "resume",
  summary: "the cluster decides by itself again",
  options,
  run: async ({ kv, cluster, print, json }: VerbCall) => {
    await requireCluster(kv, cluster);
    await kv.commit([{ do: "delete", key: keysOf(cluster).pause }]);
    print(json ? JSON.stringify({ paused: false }) : "resumed");
    return 0;
  },
};
