// A node's configuration, checked and resolved by a short-lived child process: checking needs libraries that take 15 MB,
// and an agent runs for months. Secrets in values cross through a pipe; they are in no argv and no log.
import { execFile } from "node:child_process";
import { CLI } from "../cli-path.ts";
import { ConfigError, InvariantError } from "../errors.ts";
import type { ErrorCode } from "../error-codes.ts";
import type { Loaded } from "./load.ts";

/** What the agent needs of a loaded configuration. */
export type Resolved = Pick<Loaded, "config" | "section" | "controlSocket">;

export type Resolve = (file: string) => Promise<Resolved>;

type Told = {
  readonly error?: {
    readonly code: ErrorCode;
    readonly why: string;
    readonly hint: string;
    readonly problems?: readonly string[];
  };
};

// Generous: a configuration is a few kilobytes.
const LARGEST = 16 * 1024 * 1024;

/** Errors: ConfigError, as the child found it. */
export const resolveInChild: Resolve = (file) =>
  new Promise((resolve, reject) => {
    const argv = [CLI, "config", "resolve", file, "--json"];
    // Our own cache of compiled code is for our own V8 flags, which the child does not have.
    const env = { ...process.env, NODE_COMPILE_CACHE: undefined };
    execFile(process.execPath, argv, { maxBuffer: LARGEST, env }, (error, stdout, stderr) => {
      if (error === null) return resolve(JSON.parse(stdout) as Resolved);
      const told = toldBy(stderr);
      if (told === null)
        return reject(
          new InvariantError("AP_BUG_INVARIANT", `config resolve: ${stderr.slice(-1_000)}`),
        );
      const { code, why, hint, problems = [] } = told;
      reject(new ConfigError(code, why, { hint, problems }));
    });
  });

function toldBy(stderr: string): NonNullable<Told["error"]> | null {
  try {
    return (JSON.parse(stderr.trim().split("\n").at(-1) ?? "") as Told).error ?? null;
  } catch {
    return null; // it died without a word of ours: the caller shows what it said
  }
}
