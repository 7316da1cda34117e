// Values as Go prints them: %v of its fmt package.
import type { TextBuilder } from "./limits.ts";
import { isList, sortedEntries, type Value } from "./value.ts";

/** What an action prints: a value that is not there shows as <no value>. */
export function printValue(value: Value, out: TextBuilder): void {
  if (value === null) out.add("<no value>");
  else formatValue(value, out);
}

export function formatValue(value: Value, out: TextBuilder): void {
  if (value === null) out.add("<nil>");
  else if (typeof value === "string") out.add(value);
  else if (typeof value === "number") out.add(formatNumber(value));
  else if (typeof value === "boolean") out.add(String(value));
  else if (isList(value)) formatAll("[", value, "]", out);
  else if ("float" in value) out.add(formatFloat(value.float));
  else if ("struct" in value) formatAll("{", [...value.fields.values()], "}", out);
  else {
    out.add("map[");
    for (const [i, [key, element]] of sortedEntries(value).entries()) {
      out.add(`${i === 0 ? "" : " "}${key}:`);
      formatValue(element, out);
    }
    out.add("]");
  }
}

function formatAll(open: string, all: readonly Value[], close: string, out: TextBuilder): void {
  out.add(open);
  for (const [i, element] of all.entries()) {
    if (i > 0) out.add(" ");
    formatValue(element, out);
  }
  out.add(close);
}

function formatNumber(value: number): string {
  return Number.isInteger(value) ? BigInt(value).toString() : formatFloat(value);
}

/** %g with as few digits as tell the number apart; with an exponent below 1e-4 and from 1e+06 on. */
export function formatFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [digits = "", power = ""] = value.toExponential().split("e");
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 6) return `${digits}e${exponentText(exponent)}`;
  return String(value); // JavaScript writes numbers of this size without an exponent
}

/** At least two digits, and always a sign. */
export function exponentText(exponent: number): string {
  return `${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}
