// RE2's syntax, which is Go's: no look-around and no back-references, so that matching takes linear time.
import { classAt, escapeAt, folded, type Piece } from "./regex-class.ts";
import type { ParsedRegex, Regex } from "./regex-node.ts";
import { TemplateError } from "./template-error.ts";

/** RE2's own limit of a counted repetition. */
const MOST_REPEATS = 1000;
const DEEPEST = 200;

type Flags = {
  readonly i: boolean;
  readonly m: boolean;
  readonly s: boolean;
  readonly U: boolean;
};

type State = {
  readonly text: string;
  at: number;
  flags: Flags;
  groups: number;
  depth: number;
  readonly names: Map<string, number>;
};

/** Errors: TemplateError without a place. */
export function parseRegex(text: string): ParsedRegex {
  const flags = { i: false, m: false, s: false, U: false };
  const state: State = { text, at: 0, flags, groups: 0, depth: 0, names: new Map() };
  const root = choice(state);
  if (state.at < text.length) throw wrong(state, "a ) without its (");
  return { root, groups: state.groups, names: state.names };
}

function choice(state: State): Regex {
  const options = [sequence(state)];
  while (take(state, "|")) options.push(sequence(state));
  return options.length === 1 && options[0] !== undefined
    ? options[0]
    : { kind: "choice", options };
}

function sequence(state: State): Regex {
  const parts: Regex[] = [];
  while (state.at < state.text.length && !"|)".includes(state.text[state.at] ?? "")) {
    const part = literal(state) ?? atom(state);
    if (part !== null) parts.push(repeated(state, part));
  }
  return { kind: "sequence", parts };
}

/** \Q…\E: what is between stands for itself. */
function literal(state: State): Regex | null {
  if (!take(state, "\\Q")) return null;
  const end = state.text.indexOf("\\E", state.at);
  const inner = state.text.slice(state.at, end < 0 ? undefined : end);
  state.at = end < 0 ? state.text.length : end + 2;
  const parts = Array.from(inner).map((char) => single(state, char.codePointAt(0) ?? 0));
  return { kind: "sequence", parts };
}

/** null: it matches nothing by itself, such as (?i). */
function atom(state: State): Regex | null {
  const { text, flags } = state;
  const char = String.fromCodePoint(text.codePointAt(state.at) ?? 0);
  if (char === "(") return group(state);
  if (char === "[") return piece(state, classAt(text, state.at));
  if (char === "\\") return escape(state);
  if ("*+?".includes(char)) throw wrong(state, `nothing for the ${char} to repeat`);
  state.at += char.length;
  if (char === "^") return { kind: "assertion", what: flags.m ? "line begins" : "text begins" };
  if (char === "$") return { kind: "assertion", what: flags.m ? "line ends" : "text ends" };
  if (char !== ".") return single(state, char.codePointAt(0) ?? 0);
  const any = flags.s;
  return { kind: "character", matches: (code) => any || code !== 10 };
}

function escape(state: State): Regex {
  const assertions = {
    A: "text begins",
    z: "text ends",
    b: "word ends or begins",
    B: "inside or outside of a word",
  } as const;
  const letter = state.text[state.at + 1] ?? "";
  if (letter in assertions) {
    state.at += 2;
    return { kind: "assertion", what: assertions[letter as keyof typeof assertions] };
  }
  return piece(state, escapeAt(state.text, state.at));
}

function piece(state: State, { matches, end }: Piece): Regex {
  state.at = end;
  return { kind: "character", matches: state.flags.i ? folded(matches) : matches };
}

function single(state: State, wanted: number): Regex {
  const matches = (code: number): boolean => code === wanted;
  return { kind: "character", matches: state.flags.i ? folded(matches) : matches };
}

function group(state: State): Regex | null {
  state.depth += 1;
  if (state.depth > DEEPEST) throw wrong(state, `more than ${DEEPEST} groups inside each other`);
  const outer = state.flags;
  const opened = open(state);
  if (opened === "flags only") {
    state.depth -= 1;
    return null;
  }
  const part = choice(state);
  if (!take(state, ")")) throw wrong(state, "a ( without its )");
  state.flags = outer;
  state.depth -= 1;
  return { kind: "group", index: opened, part };
}

/** The number of the group; null: it captures nothing. */
function open(state: State): number | null | "flags only" {
  const rest = state.text.slice(state.at, state.at + 80);
  const named = /^\(\?P?<([A-Za-z0-9_]+)>/.exec(rest);
  const flagged = /^\(\?([imsU]*)(-[imsU]+)?([:)])/.exec(rest);
  if (named?.[1] !== undefined) {
    state.at += named[0].length;
    if (state.names.has(named[1])) throw wrong(state, `two groups are called ${named[1]}`);
    state.names.set(named[1], ++state.groups);
    return state.groups;
  }
  if (flagged !== null) {
    const [all, on = "", off = "", end] = flagged;
    state.at += all.length;
    const set = (flag: keyof Flags): boolean =>
      !off.includes(flag) && (state.flags[flag] || on.includes(flag));
    state.flags = { i: set("i"), m: set("m"), s: set("s"), U: set("U") };
    return end === ":" ? null : "flags only";
  }
  if (rest.startsWith("(?")) throw wrong(state, `${rest.slice(0, 4)} is not in RE2's syntax`);
  state.at += 1;
  state.groups += 1;
  return state.groups;
}

function repeated(state: State, part: Regex): Regex {
  const counts = repetition(state);
  if (counts === null) return part;
  const lazy = take(state, "?");
  const again = repetition(state);
  if (again !== null) throw wrong(state, "a repetition of a repetition");
  return { kind: "repeat", part, ...counts, greedy: lazy === state.flags.U };
}

function repetition(state: State): { readonly least: number; readonly most: number | null } | null {
  if (take(state, "*")) return { least: 0, most: null };
  if (take(state, "+")) return { least: 1, most: null };
  if (take(state, "?")) return { least: 0, most: 1 };
  const found = /^\{(\d+)(,(\d*))?\}/.exec(state.text.slice(state.at, state.at + 20));
  if (found === null) return null;
  const [all, from = "", range, to = ""] = found;
  const least = Number(from);
  const most = range === undefined ? least : to === "" ? null : Number(to);
  if (Math.max(least, most ?? 0) > MOST_REPEATS || (most !== null && most < least))
    throw wrong(state, `${all} is no possible number of times`);
  state.at += all.length;
  return { least, most };
}

function take(state: State, text: string): boolean {
  if (!state.text.startsWith(text, state.at)) return false;
  state.at += text.length;
  return true;
}

function wrong({ text, at }: State, why: string): TemplateError {
  const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  return new TemplateError(
    `regular expression ${JSON.stringify(shown)}, character ${at + 1}: ${why}`,
  );
}
