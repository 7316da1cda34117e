// Asks a process of a local cluster over its unix socket: JSON over HTTP, as json-server.ts answers it.
import { request } from "node:http";
import type { ErrorCode } from "../error-codes.ts";
import {
  ConfigError,
  ConflictError,
  RefusedError,
  UnavailableError,
  UsageError,
  type AutopilotError,
} from "../errors.ts";

export type Question = {
  readonly socket: string;
  readonly method?: "GET" | "POST";
  readonly path: string;
  readonly body?: unknown;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
};

// Answers are small; a thousand events with their facts are the largest.
const LARGEST_ANSWER = 8 * 1024 * 1024;

/** The answer's body. Errors: UnavailableError AP_CONTROL_UNREACHABLE; RefusedError AP_VERB_FAILED with the answer's `error`. */
export async function ask<T>(question: Question): Promise<T> {
  const { status, text } = await exchange(question).catch((error: unknown) => {
    question.signal?.throwIfAborted();
    throw new UnavailableError("AP_CONTROL_UNREACHABLE", question.socket, { cause: error });
  });
  const body = JSON.parse(text) as T & Partial<Refusal>;
  if (status >= 400) throw refusal(status, body);
  return body;
}

type Refusal = {
  readonly error: string;
  readonly code: ErrorCode;
  readonly hint: string;
  readonly exitCode: number;
};

/** The error of the other process, with its code, hint and exit code. */
function refusal(status: number, told: Partial<Refusal>): AutopilotError {
  const why = told.error ?? `status ${status}`;
  const { code = "AP_VERB_FAILED", exitCode } = told;
  const detail = told.hint === undefined ? {} : { hint: told.hint };
  const kinds = [UsageError, UnavailableError, ConflictError, ConfigError];
  for (const Kind of kinds) {
    const error = new Kind(code, why, detail);
    if (error.exitCode === exitCode) return error;
  }
  return new RefusedError(code, why, detail);
}

function exchange(question: Question): Promise<{ status: number; text: string }> {
  const { socket, method = "GET", path, body, timeoutMs, signal } = question;
  const limit = AbortSignal.timeout(timeoutMs);
  const over = signal === undefined ? limit : AbortSignal.any([signal, limit]);
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: socket, method, path, signal: over }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => {
        text += part;
        if (text.length > LARGEST_ANSWER) asked.destroy(new Error("the answer is too long"));
      });
      response.once("end", () => resolve({ status: response.statusCode ?? 500, text }));
      response.once("error", reject);
    });
    asked.once("error", (error) =>
      reject(limit.aborted ? new Error(`no answer within ${timeoutMs} ms`) : error),
    );
    asked.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
