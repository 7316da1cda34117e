// `autopilot drill list|run`: what it takes is loaded when it is called, because agents load all verbs for months.
import { UsageError, type LabVerb } from "../../../src/index.ts";

export const drill: LabVerb = {
  name: "drill",
  summary: "drill list | drill run SCENARIO…|all: failures on a cluster of its own, with a verdict",
  args: { "<list|run>": "what to do", "[scenario...]": "names, or all" },
  options: {
    "--target <target>": "local (default), or compose",
    "--rounds <n>": "how often each scenario is played (default: 1)",
    "--seed <n>": "of everything that is chosen by chance (default: chosen, and told)",
    "--minutes <n>": "how long the mix lasts (default: 5)",
    "--nodes <n>": "nodes of the cluster, where the scenario leaves it open (default: 3)",
    "--patience <factor>": "longer limits, for a machine that is slow or busy (default: 1)",
    "--hold <factor>": "how long faults are held, of what the scenario says (default: 1)",
    "--report <file.html>": "write the report there, and its data beside it as .json",
    "--resume <file.json>": "go on with this report's data: rounds are added to it",
  },
  async runInLab(call) {
    const [what = "", ...names] = call.args;
    const { listDrills, runDrillCommand } = await import("../drills/command.ts");
    if (what === "list") return listDrills(call);
    if (what === "run") return await runDrillCommand(call, names);
    throw new UsageError("AP_USAGE", `drill ${what}: there is \`drill list\` and \`drill run\``);
  },
};
