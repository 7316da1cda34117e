// Functions on texts, with consul-template's names and order of arguments: what comes through the pipe is the last one.
import { matchesSomewhere } from "../template/regex.ts";
import type { TemplateFunction } from "../template/function.ts";
import { parseJson, printJson } from "../template/json.ts";
import { TemplateError } from "../template/template-error.ts";
import { numberIn, textArgument, type Value } from "../template/value.ts";

export const TEXT_FUNCTIONS: ReadonlyMap<string, TemplateFunction> = new Map([
  text("toLower", (it) => it.toLowerCase()),
  text("toUpper", (it) => it.toUpperCase()),
  text("toTitle", (it) => it.replaceAll(/(?<![\p{L}\p{N}_'’])\p{L}/gu, (c) => c.toUpperCase())),
  text("trimSpace", (it) => it.trim()),
  text("parseBool", parseBool),
  text("parseInt", parseInteger),
  text("parseFloat", parseFloatingPoint),
  // An empty text is what a key without a value gives.
  text("parseJSON", (it) => (it === "" ? { dict: new Map(), zero: null } : parseJson(it))),
  text("quote", (it) => JSON.stringify(it)),
  of("trim", 2, ([cut, it]) => trimSet(it, cut)),
  of("trimPrefix", 2, ([cut = "", it = ""]) => (it.startsWith(cut) ? it.slice(cut.length) : it)),
  of("trimSuffix", 2, ([cut = "", it = ""]) =>
    cut !== "" && it.endsWith(cut) ? it.slice(0, -cut.length) : it,
  ),
  of("hasPrefix", 2, ([begin = "", it = ""]) => it.startsWith(begin)),
  of("hasSuffix", 2, ([end = "", it = ""]) => it.endsWith(end)),
  [
    "regexMatch",
    {
      least: 2,
      most: 2,
      call: ([pattern, it], budget) =>
        matchesSomewhere(
          textArgument(pattern, "regexMatch"),
          textArgument(it, "regexMatch"),
          budget,
        ),
    },
  ],
  ["indent", { least: 2, most: 2, call: indent }],
  ["toJSON", { least: 1, most: 1, call: ([it = null], budget) => printJson(it, budget) }],
  [
    "toJSONPretty",
    { least: 1, most: 1, call: ([it = null], budget) => printJson(it, budget, "  ") },
  ],
]);

function text(name: string, make: (it: string) => Value): readonly [string, TemplateFunction] {
  return of(name, 1, ([it = ""]) => make(it));
}

function of(
  name: string,
  count: number,
  make: (texts: readonly string[]) => Value,
): readonly [string, TemplateFunction] {
  const call: TemplateFunction["call"] = (args) => make(args.map((it) => textArgument(it, name)));
  return [name, { least: count, most: count, call }];
}

/** As Go's strings.Trim: every character of `cut`, at both ends. */
function trimSet(it = "", cut = ""): string {
  const chars = Array.from(it);
  const kept = (char: string): boolean => !cut.includes(char);
  return chars.slice(chars.findIndex(kept), chars.findLastIndex(kept) + 1).join("");
}

function parseBool(it: string): boolean {
  if (/^(1|t|T|TRUE|true|True)$/.test(it)) return true;
  if (/^(0|f|F|FALSE|false|False|)$/.test(it)) return false;
  throw new TemplateError(`parseBool: ${JSON.stringify(it)} is neither true nor false`);
}

function parseInteger(it: string): number {
  const number = Number(it);
  if (/^[+-]?\d+$/.test(it) && Number.isSafeInteger(number)) return number;
  if (it === "") return 0;
  throw new TemplateError(`parseInt: ${JSON.stringify(it)} is no whole number`);
}

function parseFloatingPoint(it: string): Value {
  if (it === "") return { float: 0 };
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(it)) return { float: Number(it) };
  throw new TemplateError(`parseFloat: ${JSON.stringify(it)} is no number`);
}

/** `indent 4 TEXT`: so many spaces before every line that is not empty. */
function indent([count, it]: readonly Value[], budget: Parameters<TemplateFunction["call"]>[1]) {
  const spaces = numberIn(count ?? null);
  if (spaces === null || !Number.isInteger(spaces) || spaces < 0 || spaces > 100)
    throw new TemplateError("indent wants a number of spaces from 0 to 100");
  const out = budget.text();
  for (const [i, line] of textArgument(it, "indent").split("\n").entries())
    out.add((i === 0 ? "" : "\n") + (line === "" ? "" : " ".repeat(spaces) + line));
  return out.done();
}
