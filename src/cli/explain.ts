// `autopilot explain [CODE]`: what an error code means and what to do, from the one table of codes.
import { closest } from "../core/edit-distance.ts";
import { ERROR_CODES, type ErrorCode } from "../error-codes.ts";
import { UsageError } from "../errors.ts";
import { column } from "./column.ts";
import type { Globals } from "./program.ts";

export function explain(code: string | undefined, globals: Globals): number {
  const codes = Object.keys(ERROR_CODES) as ErrorCode[];
  const print = (text: string): boolean => process.stdout.write(`${text}\n`);
  if (code === undefined) {
    if (globals.json) print(JSON.stringify(ERROR_CODES, null, 2));
    else print(column(codes.map((known) => [known, ERROR_CODES[known].means])));
    return 0;
  }
  const asked = code.toUpperCase();
  const known = codes.find((one) => one === asked);
  if (known === undefined) {
    const meant = closest(asked, codes);
    const hint = meant === null ? {} : { hint: `did you mean ${meant}?` };
    throw new UsageError("AP_EXPLAIN_UNKNOWN", `there is no error code ${code}`, hint);
  }
  const { means, hint } = ERROR_CODES[known];
  if (globals.json) print(JSON.stringify({ code: known, means, hint }));
  else print(`${known}\n  ${means}\n  What to do: ${hint}.`);
  return 0;
}
