// The values that a template works on: Go's, as far as templates can tell them apart. An int is a number, a float64 is
// marked, because Go prints and compares the two differently.
import { TemplateError } from "./template-error.ts";

export type Float = { readonly float: number };

/** A Go map with text keys. `zero` is what a missing key gives: "" in a map of strings, null in a map of anything. */
export type Dict = { readonly dict: ReadonlyMap<string, Value>; readonly zero: Value };

/** A Go struct: a field that it does not have is an error. */
export type Struct = { readonly struct: string; readonly fields: ReadonlyMap<string, Value> };

/** null is Go's nil. */
export type Value = null | boolean | string | number | Float | Dict | Struct | readonly Value[];

export type Kind = "nil" | "bool" | "string" | "int" | "float64" | "list" | "map" | "struct";

export function kindOf(value: Value): Kind {
  if (value === null) return "nil";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "string") return "string";
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "float64";
  if (isList(value)) return "list";
  if ("float" in value) return "float64";
  return "dict" in value ? "map" : "struct";
}

export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

/** The number in an int or a float64; null for everything else. */
export function numberIn(value: Value): number | null {
  if (typeof value === "number") return value;
  return typeof value === "object" && value !== null && "float" in value ? value.float : null;
}

/** What `if`, `with`, `and`, `or` and `not` see: empty values are false, a struct is always true. */
export function isTrue(value: Value): boolean {
  if (value === null) return false;
  if (isList(value)) return value.length > 0;
  if (typeof value !== "object") return Boolean(value);
  if ("float" in value) return value.float !== 0;
  return "dict" in value ? value.dict.size > 0 : true;
}

/** Go's order of map keys in `range` and when printed: by bytes. */
export function sortedEntries({ dict }: Dict): readonly (readonly [string, Value])[] {
  return [...dict].toSorted(([a], [b]) => compareText(a, b));
}

/** By code points, which is the order of the bytes in UTF-8; JavaScript's own order is by UTF-16 units. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  let i = 0;
  while (i < a.length && a[i] === b[i]) i += 1;
  // Two surrogate pairs may differ in their second half only: step back to where the pair begins.
  if (i > 0 && /[\uD800-\uDBFF]/.test(a[i - 1] ?? "")) i -= 1;
  return (a.codePointAt(i) ?? -1) - (b.codePointAt(i) ?? -1);
}

/** An argument that must be text. */
export function textArgument(value: Value | undefined, of: string): string {
  if (typeof value === "string") return value;
  throw new TemplateError(`${of} wants a string, not ${describe(value)}`);
}

export function describe(value: Value | undefined): string {
  const kind = kindOf(value ?? null);
  return kind === "nil" ? "nil" : `a value of type ${kind}`;
}
