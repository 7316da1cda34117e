// The runner's configuration, read and checked by a short-lived child: checking needs libraries that take 15 MB, and a
// runner lives for months. What is asked and answered goes through pipes: an inline configuration may hold secrets.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { RunnerConfig } from "../core/runner-config.ts";
import type { ErrorCode } from "../error-codes.ts";
import { ConfigError, InvariantError, messageOf } from "../errors.ts";

export type ResolveRequest = {
  /** A path, file://PATH, or the configuration itself. */
  readonly given: string;
  /** Where it was given, for messages. */
  readonly name: string;
  /** v1 and v2: the main command. */
  readonly command: readonly string[];
  readonly isContainerbuddy: boolean;
};

export type ResolvedRunner = {
  readonly config: RunnerConfig;
  readonly warnings: readonly string[];
};

/** What the child says of an error. */
export type ToldError = {
  readonly code: ErrorCode;
  readonly why: string;
  readonly hint: string;
  readonly problems: readonly string[];
};

const CHILD = fileURLToPath(new URL("resolve-child.ts", import.meta.url));

/** Errors: ConfigError, as the child found it. */
export async function resolveRunner(
  request: ResolveRequest,
  env: NodeJS.ProcessEnv,
): Promise<ResolvedRunner> {
  const child = spawn(process.execPath, [CHILD], { env, stdio: "pipe" });
  const [stdout, stderr] = [child.stdout, child.stderr].map(textOf) as [() => string, () => string];
  child.stdin.on("error", () => {}); // it ended before it was asked: its exit says why
  child.stdin.end(JSON.stringify(request));
  try {
    await once(child, "close");
  } catch (error) {
    throw new InvariantError("AP_BUG_INVARIANT", `resolve: ${messageOf(error)}`, { cause: error });
  }
  const told = answerOf(stdout());
  if (told === null)
    throw new InvariantError("AP_BUG_INVARIANT", `resolve: ${stderr().slice(-1_000)}`);
  if ("config" in told) return told;
  const { code, why, hint, problems } = told.error;
  throw new ConfigError(code, why, { hint, problems });
}

function textOf(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString("utf8");
}

function answerOf(text: string): ResolvedRunner | { readonly error: ToldError } | null {
  try {
    return JSON.parse(text) as ResolvedRunner | { error: ToldError };
  } catch {
    return null; // it died without a word of ours: the caller shows what it said
  }
}
