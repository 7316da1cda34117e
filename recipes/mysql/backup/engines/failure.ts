// One error for whatever an engine died of: what it was doing, how it ended, its own last words, and never a password.
import { messageOf, UnavailableError } from "../../../../src/index.ts";
import { sqlErrno } from "../../mysqld/connection.ts";

/** `password`: taken out of what others said. */
export function engineFailed(
  what: string,
  cause: unknown,
  password: string | null,
): UnavailableError {
  if (cause instanceof UnavailableError && cause.code === "AP_BACKUP_ENGINE_FAILED") return cause;
  const errno = sqlErrno(cause);
  const why = without(messageOf(cause), password);
  const message = `${what}${errno === 0 ? "" : ` (${errno})`}: ${why}`;
  // No cause: MySQL quotes statements in some messages, and the engines their options.
  return new UnavailableError("AP_BACKUP_ENGINE_FAILED", message);
}

/** The line that says most of why a program failed: the last that names an error, else the last. */
export function lastWords(lines: readonly string[], password: string | null): string {
  const telling = lines.findLast((line) =>
    /error|fail|fatal|cannot|can't|missing|denied/i.test(line),
  );
  return without(telling ?? lines.at(-1) ?? "it said nothing", password);
}

function without(text: string, password: string | null): string {
  return password === null || password === "" ? text : text.replaceAll(password, "***");
}
