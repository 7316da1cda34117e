// What a schema knows by name: the paths of its values, their types and defaults, and the keys allowed at each place.
// Taken from the schema itself (as JSON Schema), so that environment variables, hints and `config check` never lag behind.
import { z, type ZodType } from "zod";

export type Shape = {
  /** JSON Schema types that the value may have; [] = any. */
  readonly types: readonly string[];
  /** Default as it would be written in the file; undefined: none. */
  readonly fallback: unknown;
  /** The value is itself the path of a file (`.meta({ file: true })`): X_FILE names it and is never read. */
  readonly isFile: boolean;
  /** Known keys, for an object that names them; null for values, lists and maps. */
  readonly keys: ReadonlyMap<string, Shape> | null;
  /** For a map with free keys, and for a list: what each of its values looks like. */
  readonly each: Shape | null;
};

type JsonSchema = {
  readonly type?: string | readonly string[];
  readonly default?: unknown;
  readonly file?: boolean;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema | boolean;
};

export function shapeOf(schema: ZodType): Shape {
  const json = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  return convert(json as JsonSchema);
}

function convert(json: JsonSchema): Shape {
  const types = json.type === undefined ? [] : [json.type].flat();
  const { properties } = json;
  const more = json.additionalProperties ?? json.items;
  return {
    types,
    fallback: json.default,
    isFile: json.file === true,
    keys:
      properties === undefined
        ? null
        : new Map(Object.entries(properties).map(([key, value]) => [key, convert(value)])),
    each: typeof more === "object" && properties === undefined ? convert(more) : null,
  };
}

/** The shape at a path, or null where the schema knows none. */
export function shapeAt(shape: Shape, path: readonly PropertyKey[]): Shape | null {
  let at: Shape | null = shape;
  for (const key of path) at = at?.keys?.get(String(key)) ?? at?.each ?? null;
  return at;
}

export type Leaf = { readonly path: readonly string[]; readonly shape: Shape };

/** All values that the schema names, in its order. A map with free keys counts as one value. */
export function leavesOf(shape: Shape, path: readonly string[] = []): readonly Leaf[] {
  if (shape.keys === null) return [{ path, shape }];
  return [...shape.keys].flatMap(([key, value]) => leavesOf(value, [...path, key]));
}
