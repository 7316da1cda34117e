// Functions on lists and numbers, with consul-template's names and order of arguments.
import { equals } from "../template/compare.ts";
import type { TemplateFunction } from "../template/function.ts";
import { mapOf } from "../template/json.ts";
import { TemplateError } from "../template/template-error.ts";
import {
  describe,
  isList,
  kindOf,
  numberIn,
  textArgument,
  type Dict,
  type Value,
} from "../template/value.ts";

export const LIST_FUNCTIONS: ReadonlyMap<string, TemplateFunction> = new Map([
  two("in", (all, one) => isIn(all, one)),
  two("contains", (one, all) => isIn(all, one)),
  two("containsAll", (wanted, all) => list(wanted).every((one) => isIn(all, one))),
  two("containsAny", (wanted, all) => list(wanted).some((one) => isIn(all, one))),
  two("containsNone", (wanted, all) => !list(wanted).some((one) => isIn(all, one))),
  two("containsNotAll", (wanted, all) => !list(wanted).every((one) => isIn(all, one))),
  ["byTag", { least: 1, most: 1, call: ([services = null]) => byTag(services) }],
  ["byKey", { least: 1, most: 1, call: ([pairs = null]) => byKey(pairs) }],
  ["explode", { least: 1, most: 1, call: ([pairs = null]) => explode(pairs) }],
  // The number that came through the pipe is the second one: {{ 5 | subtract 2 }} is 3.
  two("add", (b, a) => calculate("add", a, b, (x, y) => x + y)),
  two("subtract", (b, a) => calculate("subtract", a, b, (x, y) => x - y)),
  two("multiply", (b, a) => calculate("multiply", a, b, (x, y) => x * y)),
  two("divide", (b, a) => calculate("divide", a, nonZero(b), (x, y) => x / y)),
  two("modulo", (b, a) => calculate("modulo", a, nonZero(b), (x, y) => x % y)),
  two("minimum", (b, a) => calculate("minimum", a, b, Math.min)),
  two("maximum", (b, a) => calculate("maximum", a, b, Math.max)),
]);

function two(
  name: string,
  make: (first: Value, last: Value) => Value,
): readonly [string, TemplateFunction] {
  const call: TemplateFunction["call"] = ([first = null, last = null]) => make(first, last);
  return [name, { least: 2, most: 2, call }];
}

function list(value: Value): readonly Value[] {
  if (isList(value)) return value;
  throw new TemplateError(`a list is wanted, not ${describe(value)}`);
}

/** In a list, a part of a text, or a key of a map. */
function isIn(all: Value, one: Value): boolean {
  if (typeof all === "string") return all.includes(textArgument(one, "contains"));
  if (kindOf(all) === "map") return (all as Dict).dict.has(textArgument(one, "contains"));
  return list(all).some((other) => kindOf(other) === kindOf(one) && equals(other, one));
}

/** Services, or the instances of some: tag → those that have it. */
function byTag(services: Value): Value {
  const tagged = new Map<string, Value[]>();
  for (const service of list(services))
    for (const tag of list(fieldOf(service, "Tags"))) {
      const name = textArgument(tag, "byTag");
      tagged.set(name, [...(tagged.get(name) ?? []), service]);
    }
  return mapOf(tagged);
}

/** What `tree` gives: first part of the key → the rest of it → the pair. */
function byKey(pairs: Value): Value {
  const grouped = new Map<string, Map<string, Value>>();
  for (const pair of list(pairs)) {
    const [first = "", ...rest] = textArgument(fieldOf(pair, "Key"), "byKey").split("/");
    const group = grouped.get(first) ?? new Map<string, Value>();
    grouped.set(first, group.set(rest.join("/"), pair));
  }
  return mapOf([...grouped].map(([key, group]) => [key, mapOf(group)] as const));
}

type Branch = Map<string, Branch | string>;

/** What `tree` gives: maps inside maps, with the values at the ends. */
function explode(pairs: Value): Value {
  const root: Branch = new Map();
  for (const pair of list(pairs)) {
    const parts = textArgument(fieldOf(pair, "Key"), "explode").split("/");
    const last = parts.pop() ?? "";
    let at = root;
    for (const part of parts) {
      const next = at.get(part);
      // A key that is also a folder: the folder has more to say.
      const branch: Branch = next instanceof Map ? next : new Map();
      at.set(part, branch);
      at = branch;
    }
    if (!(at.get(last) instanceof Map))
      at.set(last, textArgument(fieldOf(pair, "Value"), "explode"));
  }
  return mapsOf(root);
}

function mapsOf(branch: Branch): Value {
  const entries = [...branch].map(
    ([key, one]) => [key, typeof one === "string" ? one : mapsOf(one)] as const,
  );
  return mapOf(entries);
}

function fieldOf(value: Value, name: string): Value {
  if (typeof value === "object" && value !== null && "struct" in value) {
    const field = value.fields.get(name);
    if (field !== undefined) return field;
  }
  throw new TemplateError(`${describe(value)} has no ${name}`);
}

function nonZero(value: Value): Value {
  if (numberIn(value) === 0) throw new TemplateError("a division by zero");
  return value;
}

/** Whole numbers stay whole, as in Go; with a float among them the result is one. */
function calculate(name: string, a: Value, b: Value, how: (a: number, b: number) => number): Value {
  const [left, right] = [numberIn(a), numberIn(b)];
  if (left === null || right === null)
    throw new TemplateError(`${name} wants numbers, not ${describe(left === null ? a : b)}`);
  const result = how(left, right);
  if (typeof a !== "number" || typeof b !== "number") return { float: result };
  const whole = Math.trunc(result);
  if (Number.isSafeInteger(whole)) return whole;
  throw new TemplateError(`${name}: the result is too large`);
}
