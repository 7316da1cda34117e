// How an error looks to whoever typed the command: one line with what, why, hint and code; listed problems and reasons
// below it; the same as one JSON object for programs. On stderr: stdout belongs to the verb's result.
import { ERROR_CODES } from "../error-codes.ts";
import { AutopilotError, ConfigError, RefusedError, messageOf } from "../errors.ts";

// What a shell makes of SIGINT.
const INTERRUPTED = 130;
const OUR_BUG = 70;

/** Prints, and returns the exit code. */
export function printError(
  error: unknown,
  how: { readonly json: boolean; readonly program?: string },
): number {
  if (error instanceof Error && error.name === "AbortError") return INTERRUPTED;
  const told = describe(error);
  if (how.json) {
    process.stderr.write(`${JSON.stringify({ error: told })}\n`);
    return told.exitCode;
  }
  const hint = told.hint === "" ? "" : ` (hint: ${told.hint})`;
  const lines = [`${how.program ?? "autopilot"}: ${told.why}${hint} [${told.code}]`];
  for (const line of [...(told.problems ?? []), ...(told.reasons ?? [])]) lines.push(`  ${line}`);
  // Not raised on purpose: whoever reports it needs the place.
  if (!(error instanceof AutopilotError) && error instanceof Error) lines.push(error.stack ?? "");
  process.stderr.write(`${lines.join("\n")}\n`);
  return told.exitCode;
}

type Told = {
  readonly code: string;
  readonly why: string;
  readonly hint: string;
  readonly exitCode: number;
  readonly problems?: readonly string[];
  readonly reasons?: readonly string[];
  readonly accept?: string | null;
};

const REFUSALS = ["EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "ENOTDIR"];

/** A file or directory that the system does not let us write is the user's to mend, wherever it was noticed. */
function refusedBySystem(error: unknown): { hint: string; exitCode: number } | null {
  const { code, path } = error as NodeJS.ErrnoException;
  if (code === undefined || path === undefined || !REFUSALS.includes(code)) return null;
  return { hint: ERROR_CODES.AP_DATADIR_UNWRITABLE.hint, exitCode: 78 };
}

function describe(error: unknown): Told {
  const why = messageOf(error);
  const refused = refusedBySystem(error);
  if (refused !== null) return { code: "AP_DATADIR_UNWRITABLE", why, ...refused };
  if (!(error instanceof AutopilotError))
    return { code: "AP_BUG_INVARIANT", why, hint: "report it, please", exitCode: OUR_BUG };
  const { code, hint, exitCode } = error;
  const base = { code, why, hint, exitCode };
  if (error instanceof ConfigError) return { ...base, problems: error.problems };
  if (error instanceof RefusedError)
    return { ...base, reasons: error.reasons, accept: error.accept };
  return base;
}
