// Go's printf: verbs, flags, width, precision, and what it prints when they do not fit the arguments.
import { exponentText, formatFloat, formatValue } from "./format.ts";
import type { Budget } from "./limits.ts";
import { isList, kindOf, numberIn, type Value } from "./value.ts";

/** Larger ones are refused, as Go does. */
const WIDEST = 1_000_000;

const DIRECTIVE =
  /%([+\-# 0]*)(?:\[(\d+)\])?(\*|\d+)?(?:(\.)(?:\[(\d+)\])?(\*|\d+)?)?(?:\[(\d+)\])?([\s\S]?)/gu;

type Directive = {
  readonly flags: string;
  readonly width: number | null;
  readonly precision: number | null;
  readonly verb: string;
};

/** Which argument comes next. */
type Cursor = { next: number; wasChosen: boolean };

export function sprintf(format: string, args: readonly Value[], budget: Budget): string {
  const out = budget.text();
  const cursor: Cursor = { next: 0, wasChosen: false };
  let last = 0;
  for (const found of format.matchAll(DIRECTIVE)) {
    budget.step();
    out.add(format.slice(last, found.index));
    last = found.index + found[0].length;
    out.add(directive(found, args, cursor, budget));
  }
  out.add(format.slice(last));
  if (!cursor.wasChosen && cursor.next < args.length) {
    const extra = args.slice(cursor.next).map((arg) => typed(arg, budget));
    out.add(`%!(EXTRA ${extra.join(", ")})`);
  }
  return out.done();
}

function directive(
  found: RegExpExecArray,
  args: readonly Value[],
  cursor: Cursor,
  budget: Budget,
): string {
  const [, flags = "", atWidth, wide, dot, atPrecision, precise, atVerb, verb = ""] = found;
  const width = size(wide, atWidth, args, cursor);
  const precision = dot === undefined ? null : size(precise ?? "0", atPrecision, args, cursor);
  choose(atVerb ?? (wide === "*" ? undefined : atWidth), cursor);
  if (verb === "") return "%!(NOVERB)";
  if (verb === "%") return "%";
  if (width === "bad") return `%!(BADWIDTH)`;
  if (precision === "bad") return `%!(BADPREC)`;
  if (cursor.next < 0 || cursor.next >= args.length)
    return cursor.wasChosen ? `%!${verb}(BADINDEX)` : `%!${verb}(MISSING)`;
  const arg = args[cursor.next] ?? null;
  cursor.next += 1;
  // A width from an argument may be negative: then it is a width and a minus.
  const left = width !== null && width < 0;
  const spec = { flags: left ? `${flags}-` : flags, width: width && Math.abs(width), precision };
  return formatArgument(arg, { ...spec, verb }, budget);
}

function choose(index: string | undefined, cursor: Cursor): void {
  if (index === undefined) return;
  cursor.next = Number(index) - 1;
  cursor.wasChosen = true;
}

function size(
  written: string | undefined,
  index: string | undefined,
  args: readonly Value[],
  cursor: Cursor,
): number | "bad" | null {
  if (written === undefined) return null;
  if (written !== "*") return Number(written) > WIDEST ? "bad" : Number(written);
  choose(index, cursor);
  const value = args[cursor.next];
  cursor.next += 1;
  if (typeof value !== "number" || !Number.isInteger(value) || Math.abs(value) > WIDEST)
    return "bad";
  return value;
}

function formatArgument(arg: Value, spec: Directive, budget: Budget): string {
  const { verb } = spec;
  if (verb === "v" && !spec.flags.includes("#")) return pad(valueText(arg, spec, budget), spec);
  if (verb === "T") return pad(typeName(arg), spec);
  // Verbs go into lists, one element after the other.
  if (isList(arg) && verb !== "p") {
    const out = budget.text();
    for (const [i, element] of arg.entries()) {
      budget.step();
      out.add(`${i === 0 ? "[" : " "}${formatArgument(element, spec, budget)}`);
    }
    return arg.length === 0 ? "[]" : `${out.done()}]`;
  }
  const text = scalar(arg, spec);
  if (text !== null) return pad(text, spec);
  return `%!${verb}(${arg === null ? "<nil>" : typed(arg, budget)})`;
}

function valueText(arg: Value, spec: Directive, budget: Budget): string {
  const isNumber = numberIn(arg) !== null;
  if (isNumber) return scalar(arg, { ...spec, verb: kindOf(arg) === "int" ? "d" : "g" }) ?? "";
  if (typeof arg === "string") return cut(arg, spec.precision);
  const out = budget.text();
  formatValue(arg, out);
  return out.done();
}

function typed(arg: Value, budget: Budget): string {
  if (arg === null) return "<nil>";
  const out = budget.text();
  out.add(`${typeName(arg)}=`);
  formatValue(arg, out);
  return out.done();
}

function typeName(arg: Value): string {
  const kind = kindOf(arg);
  const names = { nil: "<nil>", list: "[]interface {}", map: "map[string]interface {}" };
  return kind in names ? names[kind as keyof typeof names] : kind;
}

/** null: the verb is none for this value. */
function scalar(arg: Value, spec: Directive): string | null {
  const { verb } = spec;
  if (typeof arg === "boolean") return verb === "t" || verb === "v" ? String(arg) : null;
  if (typeof arg === "string") return ofText(arg, spec);
  const number = numberIn(arg);
  if (number === null) return null;
  return kindOf(arg) === "int" ? ofInt(number, spec) : ofFloat(number, spec);
}

function ofText(text: string, { verb, flags, precision }: Directive): string | null {
  if (verb === "s") return cut(text, precision);
  if (verb === "q") return quote(cut(text, precision), flags.includes("#"));
  if (verb === "v") return quote(text, false);
  if (verb !== "x" && verb !== "X") return null;
  const bytes = new TextEncoder().encode(text);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"));
  const joined = hex.join(flags.includes(" ") ? " " : "");
  return verb === "X" ? joined.toUpperCase() : joined;
}

const BASES: Readonly<Record<string, readonly [base: number, prefix: string]>> = {
  d: [10, ""],
  v: [10, ""],
  b: [2, "0b"],
  o: [8, "0"],
  O: [8, ""],
  x: [16, "0x"],
  X: [16, "0X"],
};

function ofInt(value: number, spec: Directive): string | null {
  const { verb, flags, precision } = spec;
  if (verb === "c") return character(value);
  if (verb === "q") return `'${escapeText(character(value), "'")}'`;
  if (verb === "U") return `U+${value.toString(16).toUpperCase().padStart(4, "0")}`;
  const [base, prefix] = BASES[verb] ?? [];
  if (base === undefined || prefix === undefined) return null;
  if (precision === 0 && value === 0) return "";
  const digits = BigInt(Math.abs(value))
    .toString(base)
    .padStart(precision ?? 0, "0");
  const start = verb === "O" ? "0o" : flags.includes("#") ? prefix : "";
  const text = `${sign(value < 0, flags)}${start}${digits}`;
  return verb === "X" ? text.toUpperCase() : text;
}

function ofFloat(value: number, { verb, flags, precision }: Directive): string | null {
  const minus = value < 0 || Object.is(value, -0);
  const size = Math.abs(value);
  const before = sign(minus, flags);
  if (!/^[eEfFgGv]$/.test(verb)) return null;
  if (!Number.isFinite(value)) return `${before}${Number.isNaN(value) ? "NaN" : "Inf"}`;
  const digits = Math.min(precision ?? 6, 100);
  if (verb === "f" || verb === "F") return `${before}${fixed(size, digits)}`;
  if (verb === "e" || verb === "E") {
    const [mantissa = "", exponent = ""] = size.toExponential(digits).split("e");
    return `${before}${mantissa}${verb}${exponentText(Number(exponent))}`;
  }
  const text = precision === null ? formatFloat(size) : precisely(size, digits);
  return `${before}${verb === "G" ? text.toUpperCase() : text}`;
}

/** toFixed gives up at 1e21. */
function fixed(size: number, digits: number): string {
  if (size < 1e21) return size.toFixed(digits);
  return `${BigInt(size)}${digits === 0 ? "" : `.${"0".repeat(digits)}`}`;
}

/** %.3g: so many significant digits, without zeros at the end. */
function precisely(size: number, digits: number): string {
  const significant = Math.max(1, digits);
  const [mantissa = "", power = ""] = size.toExponential(significant - 1).split("e");
  const exponent = Number(power);
  const trimmed = mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa;
  if (exponent < -4 || exponent >= significant) return `${trimmed}e${exponentText(exponent)}`;
  const plain = size.toFixed(Math.min(100, Math.max(0, significant - 1 - exponent)));
  return plain.includes(".") ? plain.replace(/\.?0+$/, "") : plain;
}

function sign(minus: boolean, flags: string): string {
  if (minus) return "-";
  return flags.includes("+") ? "+" : flags.includes(" ") ? " " : "";
}

function pad(text: string, { flags, width, verb }: Directive): string {
  const lacking = (width ?? 0) - Array.from(text).length;
  if (lacking <= 0) return text;
  if (flags.includes("-")) return text + " ".repeat(lacking);
  const isNumber = /^[+\- ]?\d/.test(text) && !/[sqvT]/.test(verb);
  if (!flags.includes("0") || !(isNumber || verb === "s" || /^[+\- ]?\d/.test(text)))
    return " ".repeat(lacking) + text;
  // Zeros go between the sign and the digits.
  const signed = isNumber && /^[+\- ]/.test(text) ? 1 : 0;
  return text.slice(0, signed) + "0".repeat(lacking) + text.slice(signed);
}

function cut(text: string, most: number | null): string {
  return most === null ? text : Array.from(text).slice(0, most).join("");
}

function character(code: number): string {
  return code >= 0 && code <= 0x10ffff ? String.fromCodePoint(code) : "\uFFFD";
}

/** A Go string literal; with `raw` one in backticks where that is possible. */
export function quote(text: string, raw: boolean): string {
  if (raw && !/`|[^\P{Cc}\t]/u.test(text)) return `\`${text}\``;
  return `"${escapeText(text, '"')}"`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
};

function escapeText(text: string, mark: string): string {
  return text.replaceAll(/[\s\S]/gu, (char) => {
    if (char === mark) return `\\${mark}`;
    const known = ESCAPES[char];
    if (known !== undefined) return known;
    if (/[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(char)) return char;
    const code = char.codePointAt(0) ?? 0;
    if (code < 0x80) return `\\x${code.toString(16).padStart(2, "0")}`;
    return code < 0x10000
      ? `\\u${code.toString(16).padStart(4, "0")}`
      : `\\U${code.toString(16).padStart(8, "0")}`;
  });
}
