// The functions that every template has, as Go's text/template documents them. `call` has nothing to call here: no value
// of ours is a function. `and` and `or` are no functions: they evaluate only as much as they must (pipeline.ts).
import { compare, equals } from "./compare.ts";
import { escapeHtml, escapeJs, escapeQuery } from "./escape.ts";
import { formatValue } from "./format.ts";
import type { TemplateFunction } from "./function.ts";
import type { Budget } from "./limits.ts";
import { sprintf } from "./printf.ts";
import { TemplateError } from "./template-error.ts";
import { describe, isList, isTrue, kindOf, textArgument, type Value } from "./value.ts";

type Call = TemplateFunction["call"];

export const BUILTINS: ReadonlyMap<string, TemplateFunction> = new Map([
  entry("not", [1, 1], ([value = null]) => !isTrue(value)),
  entry("len", [1, 1], ([value = null]) => lengthOf(value)),
  entry("index", [1, Infinity], ([value = null, ...keys]) => keys.reduce(elementAt, value)),
  entry("slice", [1, 4], ([value = null, ...ends]) => sliceOf(value, ends)),
  entry("print", [0, Infinity], (args, budget) => print(args, budget)),
  entry("println", [0, Infinity], (args, budget) => println(args, budget)),
  entry("printf", [1, Infinity], ([format, ...args], budget) =>
    sprintf(textArgument(format, "printf"), args, budget),
  ),
  entry("html", [0, Infinity], (args, budget) => escapeHtml(print(args, budget))),
  entry("js", [0, Infinity], (args, budget) => escapeJs(print(args, budget))),
  entry("urlquery", [0, Infinity], (args, budget) => escapeQuery(print(args, budget))),
  entry("eq", [2, Infinity], ([first = null, ...others]) => others.some((o) => equals(first, o))),
  entry("ne", [2, 2], ([a = null, b = null]) => !equals(a, b)),
  entry("lt", [2, 2], ([a = null, b = null]) => compare(a, b) < 0),
  entry("le", [2, 2], ([a = null, b = null]) => compare(a, b) <= 0),
  entry("gt", [2, 2], ([a = null, b = null]) => compare(a, b) > 0),
  entry("ge", [2, 2], ([a = null, b = null]) => compare(a, b) >= 0),
]);

function entry(
  name: string,
  [least, most]: readonly [least: number, most: number],
  call: Call,
): readonly [string, TemplateFunction] {
  return [name, { least, most, call }];
}

/** Of a text in bytes, as Go counts. */
function lengthOf(value: Value): number {
  if (typeof value === "string") return new TextEncoder().encode(value).length;
  if (isList(value)) return value.length;
  if (kindOf(value) === "map") return (value as { dict: ReadonlyMap<string, Value> }).dict.size;
  throw new TemplateError(`len of ${describe(value)}`);
}

function elementAt(value: Value, key: Value): Value {
  if (typeof value === "string") return byteAt(new TextEncoder().encode(value), key);
  if (isList(value)) return value[place(key, value.length - 1)] ?? null;
  if (value !== null && typeof value === "object" && "dict" in value)
    return value.dict.get(textArgument(key, "index of a map")) ?? value.zero;
  throw new TemplateError(`index of ${describe(value)}`);
}

function byteAt(bytes: Uint8Array, key: Value): Value {
  return bytes[place(key, bytes.length - 1)] ?? null;
}

function place(key: Value | undefined, most: number): number {
  if (typeof key !== "number" || !Number.isInteger(key))
    throw new TemplateError(`an index has to be an int, not ${describe(key)}`);
  if (key < 0 || key > most) throw new TemplateError(`index out of range: ${key}`);
  return key;
}

/** Of a text by bytes; a character that is cut through becomes U+FFFD, where Go gives its single bytes. */
function sliceOf(value: Value, ends: readonly Value[]): Value {
  if (typeof value === "string") {
    if (ends.length > 2) throw new TemplateError("a string has no slice with three indexes");
    const bytes = new TextEncoder().encode(value);
    const [from, to] = bounds(bytes.length, ends);
    return new TextDecoder().decode(bytes.subarray(from, to));
  }
  if (!isList(value)) throw new TemplateError(`slice of ${describe(value)}`);
  const [from, to] = bounds(value.length, ends);
  return value.slice(from, to);
}

function bounds(length: number, ends: readonly Value[]): readonly [from: number, to: number] {
  const [from = 0, to = length, most = length] = ends.map((end) => place(end, length));
  if (from > to || to > most) throw new TemplateError(`invalid slice index: ${from} > ${to}`);
  return [from, to];
}

/** A space stands between two operands when neither of them is a text. */
function print(args: readonly Value[], budget: Budget): string {
  const out = budget.text();
  for (const [i, arg] of args.entries()) {
    const before = args[i - 1];
    if (i > 0 && typeof arg !== "string" && typeof before !== "string") out.add(" ");
    formatValue(arg, out);
  }
  return out.done();
}

function println(args: readonly Value[], budget: Budget): string {
  const out = budget.text();
  for (const [i, arg] of args.entries()) {
    if (i > 0) out.add(" ");
    formatValue(arg, out);
  }
  out.add("\n");
  return out.done();
}
