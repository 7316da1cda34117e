// A moment as a person types it. Without a zone it would be another moment on another machine, and the wrong transaction
// would be the last: so it must say one.
import { UsageError } from "../../../src/index.ts";

const FORM = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,6}))?(Z|[+-]\d\d:?\d\d)?$/i;
const EXAMPLE = "write it like 2026-11-20T14:55:00.25Z or 2026-11-20 15:55:00+01:00";

/** µs since 1970. Errors: UsageError AP_USAGE. */
export function parseMoment(text: string): number {
  const [, day = "", time = "", fraction = "", zone = ""] = FORM.exec(text.trim()) ?? [];
  if (day === "") throw no(text, "is no moment");
  if (zone === "") throw no(text, "does not say in which time zone it is");
  const seconds = time.length === 5 ? `${time}:00` : time;
  const offset = zone.toUpperCase() === "Z" ? "Z" : zone.replace(/^(...)(\d\d)$/, "$1:$2");
  const utc = Date.parse(`${day}T${seconds}Z`);
  // 30 February would be taken for a day of March.
  const isReal = !Number.isNaN(utc) && new Date(utc).toISOString().startsWith(`${day}T${seconds}`);
  const at = Date.parse(`${day}T${seconds}${offset}`);
  if (!isReal || Number.isNaN(at)) throw no(text, "is no moment");
  return at * 1_000 + Number(fraction.padEnd(6, "0"));
}

function no(text: string, why: string): UsageError {
  return new UsageError("AP_USAGE", `${JSON.stringify(text)} ${why}`, { hint: EXAMPLE });
}
