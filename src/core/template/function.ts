// What a template can call. Callers put their own functions beside Go's.
import type { Budget } from "./limits.ts";
import type { Value } from "./value.ts";

export type TemplateFunction = {
  /** How few and how many arguments it takes. */
  readonly least: number;
  readonly most: number;
  /** Errors: TemplateError without a place. It takes the steps for what it touches from the budget. */
  readonly call: (args: readonly Value[], budget: Budget) => Value;
};
