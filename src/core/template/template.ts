// The template language of Go's text/template, for configuration files and for files rendered from the catalogue.
// Differences from Go: ints are exact up to 2^53; complex numbers and `call` are not there; a limit ends what Go lets grow.
import { BUILTINS } from "./builtins.ts";
import { renderTemplate } from "./evaluate.ts";
import type { MissingKey } from "./field.ts";
import type { TemplateFunction } from "./function.ts";
import { LIMITS, type Limits } from "./limits.ts";
import { parseTemplate } from "./parse.ts";
import type { Value } from "./value.ts";

export type Compiled = { readonly render: (data: Value) => string };

export type Options = {
  /** Beside Go's own, or instead of them where they have the same name. */
  readonly functions?: ReadonlyMap<string, TemplateFunction>;
  readonly missingKey?: MissingKey;
  readonly limits?: Limits;
};

/** Errors, from here and from `render`: TemplateError with its place. */
export function compileTemplate(text: string, options: Options = {}): Compiled {
  const { missingKey = "default", limits = LIMITS } = options;
  const functions = new Map([...BUILTINS, ...(options.functions ?? [])]);
  const template = parseTemplate(text, new Set([...functions.keys(), "and", "or"]), limits);
  return { render: (data) => renderTemplate(template, { data, functions, missingKey, limits }) };
}
