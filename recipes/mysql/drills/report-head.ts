// What a report says before its first round: with which versions, on which machine, and what each scenario promises.
import { cpus, release, totalmem, type as systemName } from "node:os";
import { FORMAT, type DrillReport } from "./result.ts";
import type { Scenario } from "./scenario.ts";

/** `versions`: of what the drill's clusters are made of. */
export function freshReport(about: {
  readonly scenarios: readonly Scenario[];
  readonly seed: number;
  readonly versions: Readonly<Record<string, string>>;
}): DrillReport {
  const processors = cpus();
  return {
    format: FORMAT,
    startedAt: new Date().toISOString(),
    endedAt: null,
    tools: about.versions,
    machine: {
      system: `${systemName()} ${release()}`,
      cpu: processors[0]?.model ?? "",
      cores: processors.length,
      memoryMiB: Math.round(totalmem() / 1_048_576),
    },
    seed: about.seed,
    scenarios: about.scenarios.map(({ name, does, expects, limits }) => ({
      name,
      does,
      expects,
      limits,
    })),
    rounds: [],
  };
}
