// JSON ↔ a template's values. Whole numbers become ints: as Go's float64 a port above 999999 would print as 1e+06.
import type { Budget, TextBuilder } from "./limits.ts";
import { TemplateError } from "./template-error.ts";
import { isList, sortedEntries, type Dict, type Value } from "./value.ts";

/** Errors: TemplateError. */
export function parseJson(text: string): Value {
  try {
    return valueOf(JSON.parse(text), 0);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new TemplateError(`parseJSON: ${why}`);
  }
}

/** Deeper than people write, and far from what our own recursion can take. */
const DEEPEST = 100;

function valueOf(json: unknown, depth: number): Value {
  if (depth > DEEPEST) throw new Error(`more than ${DEEPEST} values inside each other`);
  if (Array.isArray(json)) return json.map((one) => valueOf(one, depth + 1));
  if (typeof json === "number") return Number.isSafeInteger(json) ? json : { float: json };
  if (typeof json !== "object" || json === null) return json as null | boolean | string;
  return mapOf(Object.entries(json).map(([key, one]) => [key, valueOf(one, depth + 1)] as const));
}

/** A map of anything: what it does not have is nil. */
export function mapOf(entries: Iterable<readonly [string, Value]>): Dict {
  return { dict: new Map(entries), zero: null };
}

/** With the keys of maps in Go's order. `indent`: on lines of their own; "": all on one line. */
export function printJson(value: Value, budget: Budget, indent = ""): string {
  const out = budget.text();
  write({ out, budget, indent }, value, "\n");
  return out.done();
}

type Writing = { readonly out: TextBuilder; readonly budget: Budget; readonly indent: string };

/** `line`: what begins a line at this depth. */
function write(to: Writing, value: Value, line: string): void {
  to.budget.step();
  if (value === null || typeof value !== "object") to.out.add(JSON.stringify(value));
  else if (isList(value))
    writeAll(
      to,
      "[]",
      value.map((one) => ["", one] as const),
      line,
    );
  else if ("float" in value) to.out.add(JSON.stringify(value.float));
  else {
    const entries = "dict" in value ? sortedEntries(value) : [...value.fields];
    const colon = to.indent === "" ? ":" : ": ";
    writeAll(
      to,
      "{}",
      entries.map(([key, one]) => [JSON.stringify(key) + colon, one] as const),
      line,
    );
  }
}

function writeAll(
  to: Writing,
  [open = "", close = ""]: string,
  all: readonly (readonly [before: string, value: Value])[],
  line: string,
): void {
  const inner = line + to.indent;
  to.out.add(open);
  for (const [i, [before, value]] of all.entries()) {
    to.out.add((i === 0 ? "" : ",") + (to.indent === "" ? "" : inner) + before);
    write(to, value, inner);
  }
  to.out.add((to.indent === "" || all.length === 0 ? "" : line) + close);
}
