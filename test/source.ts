// Reads TypeScript sources for the tests that hold the house's rules: which modules a file imports, and its code without
// comments and texts. A small scanner, because TypeScript 7 has no parser for JavaScript to call yet.
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

export type Source = { readonly path: string; readonly text: string };

export type Import = {
  /** As written: "./a.ts", "zod", "node:fs". */
  readonly specifier: string;
  /** Path from the root of the checkout for a relative one, else null. */
  readonly path: string | null;
  /** Vanishes with the types. */
  readonly typeOnly: boolean;
};

export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** All sources of the framework and the recipes. */
export function sources(): readonly Source[] {
  return globSync(["src/**/*.ts", "recipes/**/*.ts"], { cwd: ROOT })
    .toSorted()
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));
}

const STATIC = /\b(import|export)\s+(type\s+)?((?:[\w*$\s,]|\{[^}]*\})*?\s*from\s*)?"([^"]+)"/g;
const DYNAMIC = /\bimport\(\s*["'`]([^"'`]+)["'`]/g;

export function importsOf({ path, text }: Source): readonly Import[] {
  const code = strip(text, { strings: false });
  const found = [...code.matchAll(STATIC)].map(([, , type, clause = "", specifier = ""]) => ({
    specifier,
    typeOnly: type !== undefined || onlyTypes(clause),
  }));
  const dynamic = [...code.matchAll(DYNAMIC)].map(([, specifier = ""]) => ({
    specifier,
    typeOnly: false,
  }));
  return [...found, ...dynamic].map((one) => ({
    ...one,
    path: one.specifier.startsWith(".") ? normalize(join(dirname(path), one.specifier)) : null,
  }));
}

/** `{ type A, type B } from` */
function onlyTypes(clause: string): boolean {
  const named = /^\s*\{([^}]*)\}\s*from\s*$/.exec(clause)?.[1];
  if (named === undefined) return false;
  const names = named.split(",").map((name) => name.trim());
  return names.every((name) => name === "" || name.startsWith("type "));
}

/** The code without comments and, unless told otherwise, without the insides of strings; lines stay lines. */
export function strip(
  text: string,
  what: { readonly strings: boolean } = { strings: true },
): string {
  let out = "";
  // Code in a template's ${…} is code again: what the braces have to come back to.
  const templates: number[] = [];
  let braces = 0;
  let i = 0;
  const copy = (end: number, keep: boolean): void => {
    out += keep ? text.slice(i, end) : text.slice(i, end).replaceAll(/[^\n]/g, "");
    i = end;
  };
  const template = (): void => {
    let end = i;
    while (end < text.length && text[end] !== "`" && !text.startsWith("${", end))
      end += text[end] === "\\" ? 2 : 1;
    copy(end, !what.strings);
    if (text[i] === "`") copy(i + 1, true);
    else {
      templates.push(braces);
      copy(i + 2, true);
    }
  };
  while (i < text.length) {
    const char = text[i] ?? "";
    if (text.startsWith("//", i)) copy(endOf(text, i, "\n"), false);
    else if (text.startsWith("/*", i)) copy(endOf(text, i + 2, "*/") + 2, false);
    else if (char === '"' || char === "'") {
      const end = stringEnd(text, i + 1, char);
      copy(i + 1, true);
      copy(end, !what.strings);
      copy(end + 1, true);
    } else if (char === "`") {
      copy(i + 1, true);
      template();
    } else if (char === "}" && templates.at(-1) === braces) {
      templates.pop();
      copy(i + 1, true);
      template();
    } else if (char === "/" && isRegex(out)) copy(regexEnd(text, i + 1), !what.strings);
    else {
      if (char === "{") braces += 1;
      if (char === "}") braces -= 1;
      copy(i + 1, true);
    }
  }
  return out;
}

function endOf(text: string, from: number, mark: string): number {
  const at = text.indexOf(mark, from);
  return at < 0 ? text.length : at;
}

function stringEnd(text: string, from: number, quote: string): number {
  let at = from;
  while (at < text.length && text[at] !== quote) at += text[at] === "\\" ? 2 : 1;
  return at;
}

/** A slash where no value stands before it begins a regular expression. */
function isRegex(before: string): boolean {
  return /(^|[=(,:;!&|?{}[\n]|=>|\breturn|\bcase)\s*$/.test(before);
}

function regexEnd(text: string, from: number): number {
  let at = from;
  let inClass = false;
  while (at < text.length && (inClass || text[at] !== "/")) {
    if (text[at] === "[") inClass = true;
    if (text[at] === "]") inClass = false;
    at += text[at] === "\\" ? 2 : 1;
  }
  return at + 1;
}
