// What a scenario is: a name, what it does and expects in a sentence each, what shape of cluster it needs, and the play.
import type { ScenarioFacts } from "./result.ts";
import type { Stage } from "./stage.ts";
import type { Shape } from "./target.ts";

export type Scenario = ScenarioFacts & {
  readonly shape: Shape;
  /** Errors: NoEffect (the round is invalid), Missed (it failed). Healing is not its business, unless it is part of it. */
  play(stage: Stage): Promise<void>;
};

export const THREE: Shape = { nodes: 3, smallDisks: false };
export const TWO: Shape = { nodes: 2, smallDisks: false };
export const THREE_SMALL: Shape = { nodes: 3, smallDisks: true };

/** Limits of the outage over many rounds. */
export function limits(medianMs: number, maxMs: number): ScenarioFacts["limits"] {
  return { medianMs, maxMs };
}
