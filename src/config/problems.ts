// What is wrong with a configuration, as a person reads it: "mysql.acks: expected number, got string".
// One line per problem, each beginning with the path of the value.
import type { ZodError } from "zod";
import { closest } from "../core/edit-distance.ts";
import { shapeAt, type Shape } from "./shape.ts";

type Issue = ZodError["issues"][number];

/** `origin` tells where a path's value came from when that is not the file: "AUTOPILOT_NODE_NAME", or null. */
export function problemsOf(
  error: ZodError,
  shape: Shape,
  origin: (path: readonly PropertyKey[]) => string | null,
): readonly string[] {
  return error.issues.flatMap((issue) => {
    if (issue.code === "unrecognized_keys") return unknownKeys(issue.keys, issue.path, shape);
    const variable = origin(issue.path);
    const from = variable === null ? "" : ` (${variable})`;
    return [`${pathText(issue.path)}${from}: ${reason(issue)}`];
  });
}

/** ["mysql", "hosts", 0] → "mysql.hosts[0]" */
export function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((key, i) => (typeof key === "number" ? `[${key}]` : `${i === 0 ? "" : "."}${String(key)}`))
    .join("");
}

function unknownKeys(
  keys: readonly string[],
  path: readonly PropertyKey[],
  shape: Shape,
): readonly string[] {
  const known = [...(shapeAt(shape, path)?.keys?.keys() ?? [])];
  return keys.map((key) => {
    const meant = closest(key, known);
    const hint = meant === null ? "" : `, did you mean ${meant}?`;
    return `${pathText([...path, key])}: unknown key${hint}`;
  });
}

function reason(issue: Issue): string {
  if (issue.code === "invalid_union") {
    const each = issue.errors.flatMap((options) => options.slice(0, 1).map(reason));
    if (each.length > 0) return each.join(", or ");
  }
  // The text is zod's; only its words are made ours.
  const text = issue.message
    .replace(/^Invalid (input|option|string|number|element|key): ?/, "")
    .replace(", received undefined", ", but it is missing")
    .replace(", received ", ", got ");
  return text.charAt(0).toLowerCase() + text.slice(1);
}
