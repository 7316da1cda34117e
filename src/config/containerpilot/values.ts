// Every value of a configuration with where it came from, and no secret among them.
import { shapeAt, type Shape } from "../shape.ts";

export type ShownValue = {
  readonly path: string;
  /** As it is written; "***" for a secret. */
  readonly value: unknown;
  /** "file", "translation" of an older one, "default", or the name of the variable. */
  readonly origin: string;
};

type Place = {
  /** What was written. */
  readonly tree: unknown;
  readonly shape: Shape;
  /** Variables by path. */
  readonly origins: ReadonlyMap<string, string>;
  readonly env: NodeJS.ProcessEnv;
  /** The origin of what was written. */
  readonly written: "file" | "translation";
};

export function valuesIn(parsed: unknown, place: Place): readonly ShownValue[] {
  const hide = hiding(place.env);
  return walk(parsed, place, []).map(({ path, value, origin }) => {
    const name = /([^.[\]]+)(?:\[\d+\])*$/.exec(path)?.[1] ?? "";
    return { path, value: isSecret(name) && value !== "" ? "***" : hide(value), origin };
  });
}

function walk(parsed: unknown, place: Place, path: readonly (string | number)[]): ShownValue[] {
  const { tree, shape, origins } = place;
  const isWritten = tree !== undefined;
  // What was written in one piece is shown in one: a command, a list of texts.
  const isTree = typeof parsed === "object" && parsed !== null && (!isWritten || isNested(tree));
  const entries = isTree && !(Array.isArray(parsed) && !isWritten) ? Object.entries(parsed) : [];
  if (entries.length > 0 && shapeAt(shape, path) !== null)
    return entries.flatMap(([key, value]) => {
      if (value === undefined) return [];
      const at = Array.isArray(parsed) ? Number(key) : key;
      const below = isNested(tree) ? (tree as Record<string | number, unknown>)[at] : undefined;
      return walk(value, { ...place, tree: below }, [...path, at]);
    });
  const text = pathText(path);
  const value = isWritten ? tree : (shapeAt(shape, path)?.fallback ?? parsed);
  return [
    { path: text, value, origin: origins.get(text) ?? (isWritten ? place.written : "default") },
  ];
}

function isNested(value: unknown): boolean {
  if (Array.isArray(value)) return value.some((one) => typeof one === "object" && one !== null);
  return typeof value === "object" && value !== null;
}

function pathText(path: readonly (string | number)[]): string {
  return path
    .map((key, i) => (typeof key === "number" ? `[${key}]` : `${i === 0 ? "" : "."}${key}`))
    .join("");
}

const SECRET = /(passw(or)?d|passphrase|secret|token|credentials?|api_?key|private_?key)$/i;

/** By its name: of a key, or of a variable. */
export function isSecret(name: string): boolean {
  return SECRET.test(name);
}

/** A shorter one would blank out ordinary words. */
const SHORTEST = 4;

/** Hides what the template put in from variables that are secret by their name, wherever it stands. */
export function hiding(env: NodeJS.ProcessEnv): <T>(value: T) => T {
  const secrets = Object.entries(env)
    .filter(([name, value]) => isSecret(name) && (value?.length ?? 0) >= SHORTEST)
    .map(([, value = ""]) => value)
    .toSorted((a, b) => b.length - a.length);
  const hide = (value: unknown): unknown => {
    if (typeof value === "string")
      return secrets.reduce((text, secret) => text.replaceAll(secret, "***"), value);
    if (Array.isArray(value)) return value.map(hide);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, hide(one)]));
  };
  return hide as <T>(value: T) => T;
}

/** A tree for printing: values of secret keys and of secret variables hidden. */
export function redacted(tree: unknown, env: NodeJS.ProcessEnv): unknown {
  const hide = hiding(env);
  const walkTree = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walkTree);
    if (typeof value !== "object" || value === null) return hide(value);
    const entries = Object.entries(value).map(([key, one]) => {
      const hidden = isSecret(key) && typeof one === "string" && one !== "";
      return [key, hidden ? "***" : walkTree(one)] as const;
    });
    return Object.fromEntries(entries);
  };
  return walkTree(tree);
}

/** A line for people: also the password of an address goes. */
export function withoutSecrets(line: string, env: NodeJS.ProcessEnv): string {
  return hiding(env)(line).replaceAll(/\/\/[^@/\s]*@/g, "//…@");
}
