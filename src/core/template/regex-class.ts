// Sets of characters in regular expressions: [a-z], [[:alpha:]], \d, \pL, and single escaped characters.
import type { Matches } from "./regex-node.ts";
import { TemplateError } from "./template-error.ts";

/** What one code point has to be, and where the text goes on. `code`: the one character that it is, for ranges. */
export type Piece = {
  readonly matches: Matches;
  readonly end: number;
  readonly code: number | null;
};

// ASCII only, as in RE2; \s has no vertical tab.
const PERL: Readonly<Record<string, RegExp>> = {
  d: /[0-9]/,
  s: /[\t\n\f\r ]/,
  w: /[0-9A-Za-z_]/,
};

const POSIX: Readonly<Record<string, RegExp>> = {
  alnum: /[0-9A-Za-z]/,
  alpha: /[A-Za-z]/,
  ascii: /\p{ASCII}/u,
  blank: /[\t ]/,
  cntrl: /(?=\p{ASCII})\p{Cc}/u,
  digit: /[0-9]/,
  graph: /[!-~]/,
  lower: /[a-z]/,
  print: /[ -~]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[\t\n\v\f\r ]/,
  upper: /[A-Z]/,
  word: /[0-9A-Za-z_]/,
  xdigit: /[0-9A-Fa-f]/,
};

const CONTROL: Readonly<Record<string, number>> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 };

/** Upper and lower case are the same. */
export function folded(matches: Matches): Matches {
  return (code) => {
    if (matches(code)) return true;
    const char = String.fromCodePoint(code);
    const others = [char.toLowerCase(), char.toUpperCase(), char.toUpperCase().toLowerCase()];
    return others.some((one) => Array.from(one).length === 1 && matches(one.codePointAt(0) ?? -1));
  };
}

/** The set that begins with the [ at `from`. */
export function classAt(text: string, from: number): Piece {
  const negated = text[from + 1] === "^";
  let at = from + (negated ? 2 : 1);
  const members: Matches[] = [];
  // A ] that comes first is an ordinary character.
  for (let first = true; first || text[at] !== "]"; first = false) {
    if (at >= text.length) throw wrong(text, "a [ without its ]");
    const { matches, end, code } = memberAt(text, at);
    const isRange = code !== null && text[end] === "-" && text[end + 1] !== "]";
    if (!isRange || end + 1 >= text.length) {
      members.push(matches);
      at = end;
      continue;
    }
    const high = memberAt(text, end + 1);
    if (high.code === null || high.code < code) throw wrong(text, "a range that goes backwards");
    const last = high.code;
    members.push((one) => one >= code && one <= last);
    at = high.end;
  }
  const within = (code: number): boolean => members.some((matches) => matches(code));
  return { matches: negated ? (code) => !within(code) : within, end: at + 1, code: null };
}

function memberAt(text: string, at: number): Piece {
  const posix = /^\[:(\^?)(\w+):\]/.exec(text.slice(at, at + 16));
  if (posix !== null) {
    const [all, not, name = ""] = posix;
    const set = POSIX[name];
    if (set === undefined) throw wrong(text, `there is no class ${all}`);
    return ofSet(set, not === "^", at + all.length);
  }
  if (text[at] === "\\") return escapeAt(text, at);
  const code = text.codePointAt(at) ?? 0;
  return ofCode(code, at + (code > 0xffff ? 2 : 1));
}

/** The escape that begins with the \ at `from`. */
export function escapeAt(text: string, from: number): Piece {
  const rest = text.slice(from + 1, from + 64);
  const letter = rest[0] ?? "";
  const perl = PERL[letter.toLowerCase()];
  if (perl !== undefined) return ofSet(perl, letter !== letter.toLowerCase(), from + 2);
  if (letter === "p" || letter === "P") return propertyAt(text, from, rest);
  const control = CONTROL[letter];
  if (control !== undefined) return ofCode(control, from + 2);
  const hex = /^x(?:([\da-fA-F]{2})|\{([\da-fA-F]{1,8})\})/.exec(rest);
  if (hex !== null) {
    const code = parseInt(hex[1] ?? hex[2] ?? "", 16);
    if (code <= 0x10ffff) return ofCode(code, from + 1 + hex[0].length);
  }
  // A single digit would be a back-reference; \0 and longer ones are octal.
  const octal = /^(?:0[0-7]{0,2}|[1-7][0-7]{1,2})/.exec(rest);
  if (octal !== null) return ofCode(parseInt(octal[0], 8), from + 1 + octal[0].length);
  if (/^[!-/:-@[-`{-~]/.test(rest)) return ofCode(letter.charCodeAt(0), from + 2);
  throw wrong(text, `\\${letter} is not in RE2's syntax`);
}

function propertyAt(text: string, from: number, rest: string): Piece {
  const found = /^[pP](?:\{(\^?)(\w+)\}|([A-Z]))/.exec(rest);
  const name = found?.[2] ?? found?.[3];
  if (found === null || name === undefined) throw wrong(text, "a \\p without the name of a class");
  const not = (rest[0] === "P") !== (found[1] === "^");
  for (const property of [name, `Script=${name}`]) {
    try {
      return ofSet(new RegExp(`\\p{${property}}`, "u"), not, from + 1 + found[0].length);
    } catch {
      // No general category is called so; it may be a script.
    }
  }
  throw wrong(text, `there is no class \\p{${name}}`);
}

function ofCode(code: number, end: number): Piece {
  return { matches: (one) => one === code, end, code };
}

function ofSet(set: RegExp, not: boolean, end: number): Piece {
  const matches = (code: number): boolean => set.test(String.fromCodePoint(code)) !== not;
  return { matches, end, code: null };
}

function wrong(text: string, why: string): TemplateError {
  const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  return new TemplateError(`regular expression ${JSON.stringify(shown)}: ${why}`);
}
