// Template text → tokens, by the rules of Go's text/template: trim markers, comments, strings, numbers, fields.
import { characterIn, numberIn, stringIn } from "./literal.ts";
import { TemplateError, placeOf } from "./template-error.ts";
import type { Value } from "./value.ts";

export type Token = {
  readonly kind:
    | "text"
    | "left"
    | "right"
    | "field"
    | "variable"
    | "word"
    | "constant"
    | "mark"
    | "end of template";
  /** As written; a field without its dot. */
  readonly text: string;
  readonly at: number;
  /** White space stands before it. */
  readonly spaced: boolean;
  /** Of a constant. */
  readonly value?: Value;
};

const SPACE = " \t\r\n";
const WORD = /[\p{L}\p{Nd}_]+/uy;
const NUMBER =
  /[+-]?(?:0[xX][\da-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|\d[\d_]*\.?[\d_]*(?:[eE][+-]?\d[\d_]*)?|\.\d[\d_]*(?:[eE][+-]?\d[\d_]*)?)/y;
/** What may follow a field, a variable or a word. */
const TERMINATORS = `${SPACE}.,|:=)(`;

/** Errors: TemplateError with its place. */
export function lex(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let trims = false;
  while (at < text.length) {
    const left = text.indexOf("{{", at);
    const end = left < 0 ? text.length : left;
    const trimsBefore = left >= 0 && text[left + 2] === "-" && isSpace(text[left + 3]);
    let chunk = text.slice(at, end);
    if (trims) chunk = chunk.replace(/^[ \t\r\n]+/, "");
    if (trimsBefore) chunk = trimEnd(chunk);
    if (chunk !== "") tokens.push({ kind: "text", text: chunk, at, spaced: false });
    if (left < 0) break;
    const inside = left + (trimsBefore ? 4 : 2);
    const closed = text.startsWith("/*", inside)
      ? skipComment(text, inside)
      : lexAction({ text, tokens, left, inside });
    ({ at, trims } = closed);
  }
  tokens.push({ kind: "end of template", text: "", at: text.length, spaced: false });
  return tokens;
}

/** Where an action ended, and whether white space after it goes away. */
type Closed = { readonly at: number; readonly trims: boolean };

function skipComment(text: string, from: number): Closed {
  const end = text.indexOf("*/", from + 2);
  if (end < 0) throw fault(text, from, "the comment has no end");
  const closed = closing(text, end + 2);
  if (closed === null) throw fault(text, end + 2, "a comment ends right before its }}");
  return closed;
}

function closing(text: string, at: number): Closed | null {
  if (text.startsWith("}}", at)) return { at: at + 2, trims: false };
  if (isSpace(text[at]) && text.startsWith("-}}", at + 1)) return { at: at + 4, trims: true };
  return null;
}

type Action = {
  readonly text: string;
  readonly tokens: Token[];
  readonly left: number;
  readonly inside: number;
};

function lexAction({ text, tokens, left, inside }: Action): Closed {
  tokens.push({ kind: "left", text: "{{", at: left, spaced: false });
  let at = inside;
  let spaced = false;
  for (;;) {
    const closed = closing(text, at);
    if (closed !== null) {
      tokens.push({ kind: "right", text: "}}", at, spaced });
      return closed;
    }
    if (at >= text.length) throw fault(text, left, "the action has no end: }} is missing");
    if (isSpace(text[at])) {
      at += 1;
      spaced = true;
      continue;
    }
    const { token, end } = lexToken(text, at);
    tokens.push({ ...token, at, spaced });
    at = end;
    spaced = false;
  }
}

type Lexed = { readonly token: Pick<Token, "kind" | "text" | "value">; readonly end: number };

function lexToken(text: string, at: number): Lexed {
  const char = text[at] ?? "";
  if (text.startsWith(":=", at)) return mark(":=", at);
  if ("=|(),".includes(char)) return mark(char, at);
  if (char === '"' || char === "`" || char === "'") return quoted(text, at, char);
  if (char === ".") return /\d/.test(text[at + 1] ?? "") ? number(text, at) : field(text, at);
  if (char === "$") {
    const end = at + 1 + wordAt(text, at + 1).length;
    terminated(text, end);
    return { token: { kind: "variable", text: text.slice(at, end) }, end };
  }
  if (/[\d+-]/.test(char)) return number(text, at);
  const word = wordAt(text, at);
  if (word === "") {
    const shown = String.fromCodePoint(text.codePointAt(at) ?? 0);
    throw fault(text, at, `unexpected ${JSON.stringify(shown)} in an action`);
  }
  const end = at + word.length;
  terminated(text, end);
  if (word === "true" || word === "false")
    return { token: { kind: "constant", text: word, value: word === "true" }, end };
  return { token: { kind: "word", text: word }, end };
}

function mark(text: string, at: number): Lexed {
  return { token: { kind: "mark", text }, end: at + text.length };
}

function field(text: string, at: number): Lexed {
  const name = wordAt(text, at + 1);
  const end = at + 1 + name.length;
  if (name === "") return { token: { kind: "mark", text: "." }, end };
  terminated(text, end);
  return { token: { kind: "field", text: name }, end };
}

function number(text: string, at: number): Lexed {
  NUMBER.lastIndex = at;
  const written = NUMBER.exec(text)?.[0] ?? "";
  const end = at + written.length;
  const value = wordAt(text, end) === "" ? numberIn(written) : null;
  if (value === null) {
    const shown = text.slice(at, end) + wordAt(text, end) || (text[at] ?? "");
    throw fault(text, at, `${JSON.stringify(shown)} is no number that can be used here`);
  }
  return { token: { kind: "constant", text: written, value }, end };
}

function quoted(text: string, at: number, quote: string): Lexed {
  let end = at + 1;
  while (text[end] !== quote) {
    const isBroken = end >= text.length || (quote !== "`" && text[end] === "\n");
    if (isBroken) throw fault(text, at, `the ${quote} has no second one`);
    end += quote !== "`" && text[end] === "\\" ? 2 : 1;
  }
  const inner = text.slice(at + 1, end);
  const value =
    quote === "`"
      ? inner.replaceAll("\r", "")
      : quote === '"'
        ? stringIn(inner)
        : characterIn(inner);
  if (value === null)
    throw fault(text, at, `${text.slice(at, Math.min(end + 1, at + 40))}: unknown escape`);
  return { token: { kind: "constant", text: text.slice(at, end + 1), value }, end: end + 1 };
}

function wordAt(text: string, at: number): string {
  WORD.lastIndex = at;
  return WORD.exec(text)?.[0] ?? "";
}

function terminated(text: string, at: number): void {
  const next = text[at];
  if (next === undefined || TERMINATORS.includes(next) || text.startsWith("}}", at)) return;
  throw fault(text, at, `unexpected ${JSON.stringify(next)} here; a space is missing`);
}

function isSpace(char: string | undefined): boolean {
  return char !== undefined && SPACE.includes(char);
}

/** By hand: a regular expression for the end of a text looks at each run of white space from each of its places. */
function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text[end - 1])) end -= 1;
  return text.slice(0, end);
}

function fault(text: string, at: number, why: string): TemplateError {
  return new TemplateError(why, placeOf(text, at));
}
