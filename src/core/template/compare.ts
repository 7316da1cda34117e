// eq, ne, lt, le, gt and ge. An int and a float64 are different types and do not compare, as in Go.
import { TemplateError } from "./template-error.ts";
import { compareText, describe, kindOf, numberIn, type Value } from "./value.ts";

export function equals(a: Value, b: Value): boolean {
  for (const value of [a, b])
    if (["list", "map", "struct"].includes(kindOf(value)))
      throw new TemplateError(`${describe(value)} cannot be compared`);
  if (a === null || b === null) return a === b;
  assertSame(a, b);
  const [left, right] = [numberIn(a), numberIn(b)];
  return left === null ? a === b : left === right;
}

/** Negative, zero or positive. */
export function compare(a: Value, b: Value): number {
  assertSame(a, b);
  if (typeof a === "string" && typeof b === "string") return compareText(a, b);
  const [left, right] = [numberIn(a), numberIn(b)];
  if (left === null || right === null) throw new TemplateError(`${describe(a)} has no order`);
  return left - right;
}

function assertSame(a: Value, b: Value): void {
  if (kindOf(a) !== kindOf(b))
    throw new TemplateError(`${describe(a)} and ${describe(b)} cannot be compared`);
}
