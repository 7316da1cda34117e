// Six answers to "what should the caller do?", each an exit code, and the table of all stable codes.
// A message is one line: what happened and why; the hint says what to do. Secrets never enter either.
import { ERROR_CODES, type ErrorCode } from "./error-codes.ts";

export type ErrorDetail = {
  /** Replaces the table's hint where the place knows better. */
  readonly hint?: string;
  readonly cause?: unknown;
};

/** Base of every error that we raise on purpose. `exitCode` follows sysexits.h where it has a fitting number. */
export abstract class AutopilotError extends Error {
  abstract readonly exitCode: number;
  readonly code: ErrorCode;
  readonly hint: string;

  constructor(code: ErrorCode, why: string, detail: ErrorDetail = {}) {
    super(why, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = new.target.name;
    this.code = code;
    this.hint = detail.hint ?? ERROR_CODES[code].hint;
  }
}

/** A human edits a file. `problems` lists all of them at once, each with its path. */
export class ConfigError extends AutopilotError {
  readonly exitCode = 78;
  readonly problems: readonly string[];
  constructor(
    code: ErrorCode,
    why: string,
    detail: ErrorDetail & { problems?: readonly string[] } = {},
  ) {
    super(code, why, detail);
    this.problems = detail.problems ?? [];
  }
}

/** The command was typed wrongly. */
export class UsageError extends AutopilotError {
  readonly exitCode = 64;
}

/** Wait and observe again: something that we need does not answer now. */
export class UnavailableError extends AutopilotError {
  readonly exitCode = 69;
}

/** The world moved: never retry blindly, observe again. */
export class ConflictError extends AutopilotError {
  readonly exitCode = 75;
}

/** The answer is no, for safety. `reasons` say why, `accept` names the flag that takes the risk. */
export class RefusedError extends AutopilotError {
  readonly exitCode = 3;
  readonly reasons: readonly string[];
  readonly accept: string | null;
  constructor(
    code: ErrorCode,
    why: string,
    detail: ErrorDetail & { reasons?: readonly string[]; accept?: string } = {},
  ) {
    super(code, why, detail);
    this.reasons = detail.reasons ?? [];
    this.accept = detail.accept ?? null;
  }
}

/** Our bug: fence, dump the last observations, crash. */
export class InvariantError extends AutopilotError {
  readonly exitCode = 70;
}

/** Throws InvariantError when a thing that must hold does not. */
export function invariant(condition: unknown, code: ErrorCode, why: string): asserts condition {
  if (!condition) throw new InvariantError(code, why);
}

/** The chain of messages of an error and its causes, outermost first, on one line. */
export function messageOf(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error, depth = 0; at !== undefined && at !== null && depth < 8; depth++) {
    // An AggregateError of a failed connect has no message of its own, only a code.
    const text =
      at instanceof Error
        ? at.message || ((at as { code?: string }).code ?? at.name)
        : typeof at === "string"
          ? at
          : JSON.stringify(at);
    if (!parts.includes(text)) parts.push(text);
    at = at instanceof Error ? at.cause : undefined;
  }
  return parts.join(": ").replaceAll(/\s*\n\s*/g, " ");
}
