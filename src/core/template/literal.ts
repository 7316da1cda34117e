// Go's literals: what stands between quotes, and numbers in all their bases.
import type { Value } from "./value.ts";

const SIMPLE: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
};

const ESCAPE =
  /\\(?:([abfnrtv\\])|(["'])|x([\da-fA-F]{2})|([0-7]{3})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([\s\S]?))/gu;

/** The text of "…", without its quotes; null when it has an escape that Go does not know. */
export function stringIn(inner: string): string | null {
  return unescape(inner, '"');
}

/** The code point of '…'; null when it is not exactly one character. */
export function characterIn(inner: string): number | null {
  const text = unescape(inner, "'");
  return text !== null && Array.from(text).length === 1 ? (text.codePointAt(0) ?? null) : null;
}

function unescape(inner: string, quote: string): string | null {
  if (!inner.includes("\\")) return inner;
  const bytes: number[] = [];
  const encoder = new TextEncoder();
  const append = (text: string): void => {
    for (const byte of encoder.encode(text)) bytes.push(byte);
  };
  let last = 0;
  for (const found of inner.matchAll(ESCAPE)) {
    append(inner.slice(last, found.index));
    const [all, simple, quoted, hex, octal, short, long] = found;
    last = found.index + all.length;
    const code = parseInt(short ?? long ?? "", 16);
    if (simple !== undefined) append(SIMPLE[simple] ?? "");
    else if (quoted !== undefined && quoted === quote) bytes.push(quote.charCodeAt(0));
    else if (hex !== undefined) bytes.push(parseInt(hex, 16));
    // \400 and more are no bytes.
    else if (octal !== undefined && parseInt(octal, 8) < 256) bytes.push(parseInt(octal, 8));
    else if (code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000))
      append(String.fromCodePoint(code));
    else return null;
  }
  append(inner.slice(last));
  return new TextDecoder().decode(Uint8Array.from(bytes));
}

/** null when it is no number, or an int that JavaScript cannot hold exactly. Complex numbers are not known. */
export function numberIn(written: string): Value {
  if (!/\d/.test(written) || /__|_$|_\.|\._/.test(written)) return null;
  const plain = written.replaceAll("_", "");
  const negative = plain.startsWith("-");
  const digits = plain.replace(/^[+-]/, "");
  if (/^0\d+$/.test(digits) && /[89]/.test(digits)) return null;
  if (!/^0[xXbBoO]/.test(digits) && /[.eE]/.test(digits)) {
    const float = Number(digits);
    return Number.isFinite(float) ? { float: negative ? -float : float } : null;
  }
  // A leading zero means octal, as in C.
  const int = Number(/^0\d+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
  return Number.isSafeInteger(int) ? (negative && int !== 0 ? -int : int) : null;
}
