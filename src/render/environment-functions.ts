// The functions of ContainerPilot's templates, beside Go's own: default, env, split, join, replaceAll, regexReplaceAll, loop.
import { formatValue } from "../core/template/format.ts";
import type { TemplateFunction } from "../core/template/function.ts";
import type { Budget } from "../core/template/limits.ts";
import { replaceAllMatches } from "../core/template/regex.ts";
import { TemplateError } from "../core/template/template-error.ts";
import { describe, isList, textArgument, type Value } from "../core/template/value.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export function environmentFunctions(env: Environment): ReadonlyMap<string, TemplateFunction> {
  return new Map<string, TemplateFunction>([
    ["default", { least: 2, most: 2, call: ([or = null, value], b) => orDefault(or, value, b) }],
    ["env", { least: 1, most: 1, call: ([name]) => env[textArgument(name, "env")] ?? "" }],
    ["split", { least: 2, most: 2, call: split }],
    ["join", { least: 2, most: 2, call: join }],
    ["replaceAll", { least: 3, most: 3, call: replaceAll }],
    ["regexReplaceAll", { least: 3, most: 3, call: regexReplaceAll }],
    ["loop", { least: 1, most: 2, call: loop }],
  ]);
}

/** Only a text that is not empty counts as given. */
function orDefault(fallback: Value, value: Value | undefined, budget: Budget): Value {
  if (typeof value === "string" && value !== "") return value;
  const out = budget.text();
  formatValue(fallback, out);
  return out.done();
}

function split([separator, value]: readonly Value[]): Value {
  const text = textArgument(value, "split").trim();
  return text === "" ? [] : text.split(textArgument(separator, "split"));
}

function join([separator, list]: readonly Value[], budget: Budget): Value {
  const between = textArgument(separator, "join");
  if (list === undefined || !isList(list))
    throw new TemplateError(`join wants a list, not ${describe(list)}`);
  const out = budget.text();
  for (const [i, element] of list.entries()) {
    if (i > 0) out.add(between);
    out.add(textArgument(element, "join"));
  }
  return out.done();
}

function replaceAll([from, to, value]: readonly Value[], budget: Budget): Value {
  const by = textArgument(to, "replaceAll");
  const text = textArgument(value, "replaceAll");
  const sought = textArgument(from, "replaceAll");
  // Go finds nothing before, between and after all characters; JavaScript only between them.
  const pieces = sought === "" ? ["", ...Array.from(text), ""] : text.split(sought);
  const out = budget.text();
  for (const [i, piece] of pieces.entries()) {
    if (i > 0) out.add(by);
    out.add(piece);
  }
  return out.done();
}

function regexReplaceAll([pattern, to, value]: readonly Value[], budget: Budget): Value {
  const [regex, by, text] = [pattern, to, value].map((one) => textArgument(one, "regexReplaceAll"));
  return replaceAllMatches(regex ?? "", by ?? "", text ?? "", budget);
}

/** `loop 3`: 0 1 2; `loop 2 5`: 2 3 4; `loop 5 2`: 5 4 3. */
function loop(args: readonly Value[], { limits }: Budget): Value {
  const [a = 0, b] = args.map(whole);
  const [from, to] = b === undefined ? [0, a] : [a, b];
  const count = Math.abs(to - from);
  // Each turn takes a step at least: more of them could not be gone through.
  if (count > limits.steps) throw new TemplateError(`a loop of more than ${limits.steps} turns`);
  return Array.from({ length: count }, (_, i) => (to < from ? from - i : from + i));
}

/** Numbers come from the environment, as texts. */
function whole(value: Value): number {
  const number = typeof value === "string" && /^[+-]?\d+$/.test(value) ? Number(value) : value;
  if (typeof number === "number" && Number.isSafeInteger(number)) return number;
  throw new TemplateError(
    `loop wants whole numbers, not ${typeof value === "string" ? JSON.stringify(value) : describe(value)}`,
  );
}
