// A running `autopilot render`, as a job runs it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { CLI, cleanEnv } from "../cli/cli.ts";

export type Renderer = AsyncDisposable & {
  /** Its lines on stderr so far. */
  readonly log: () => string;
  /** Asks it to end, and its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
};

export function startRenderer(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Renderer {
  const child = spawn(process.execPath, [CLI, "render", ...argv], {
    env: cleanEnv(env),
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  child.stderr.on("data", (data) => (log += String(data)));
  const ended = once(child, "close") as Promise<[number | null]>;
  const stop = async (signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> => {
    child.kill(signal);
    return (await ended)[0];
  };
  return {
    log: () => log,
    stop,
    async [Symbol.asyncDispose]() {
      await stop("SIGKILL");
    },
  };
}
