// All scenarios, in the order in which `drill run all` plays them: those of one shape of cluster stand together.
import { UsageError } from "../../../src/index.ts";
import { MIX } from "./mix.ts";
import type { Scenario } from "./scenario.ts";
import { CRASHES } from "./scenarios-crash.ts";
import { CUTS } from "./scenarios-network.ts";
import { OPERATIONS } from "./scenarios-operator.ts";

const all = [...CRASHES, ...CUTS, ...OPERATIONS, MIX];

export const SCENARIOS: readonly Scenario[] = [...Map.groupBy(all, shapeOf).values()].flat();

/** Clusters of one shape are one cluster. */
export function shapeOf({ shape }: Scenario): string {
  return JSON.stringify(shape);
}

/** "all" is all of them but the mix, which has minutes of its own. Errors: UsageError. */
export function scenariosNamed(names: readonly string[]): readonly Scenario[] {
  const unknown = names.filter((name) => name !== "all" && !all.some((one) => one.name === name));
  if (unknown.length > 0) {
    const known = SCENARIOS.map(({ name }) => name).join(", ");
    throw new UsageError("AP_USAGE", `no scenario ${unknown.join(", ")}`, {
      hint: `there are all, ${known}`,
    });
  }
  return SCENARIOS.filter(
    ({ name }) => names.includes(name) || (names.includes("all") && name !== MIX.name),
  );
}
