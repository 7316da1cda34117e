// .A.B of a value: the keys of maps and the fields of structs.
import { TemplateError } from "./template-error.ts";
import { describe, isList, type Value } from "./value.ts";

/** Go's option missingkey: what a key that a map does not have gives. */
export type MissingKey = "default" | "zero" | "error";

export function fieldOf(value: Value, names: readonly string[], missingKey: MissingKey): Value {
  let at = value;
  for (const name of names) at = oneField(at, name, missingKey);
  return at;
}

function oneField(value: Value, name: string, missingKey: MissingKey): Value {
  // Go's default goes on from what is not there; with the other settings that is a mistake.
  if (value === null && missingKey === "default") return null;
  if (typeof value !== "object" || value === null || isList(value) || "float" in value)
    throw new TemplateError(`${describe(value)} has no field ${name}`);
  if ("struct" in value) {
    const field = value.fields.get(name);
    if (field === undefined) throw new TemplateError(`${value.struct} has no field ${name}`);
    return field;
  }
  const found = value.dict.get(name);
  if (found !== undefined) return found;
  if (missingKey === "error") throw new TemplateError(`the map has no entry for ${name}`);
  return missingKey === "zero" ? value.zero : null;
}
