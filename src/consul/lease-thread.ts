// Starts the lease's thread. From a checkout its few TypeScript files are stripped of their types here: the stripper,
// loaded once more in the thread, would double the thread's memory (10 MB measured on Node 24.21).
import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { Worker } from "node:worker_threads";
import type { LeaseWorkerData } from "./lease-worker.ts";

/** The thread's young generation decides its memory; its state is a few kilobytes. */
const LIMITS = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 };

/** The token goes by workerData: it never is in argv or the environment. */
export function startLeaseThread(data: LeaseWorkerData): Worker {
  const isSource = import.meta.url.endsWith(".ts");
  const url = new URL(`./lease-worker${isSource ? ".ts" : ".js"}`, import.meta.url);
  return new Worker(isSource ? stripped(url) : url, {
    workerData: data,
    resourceLimits: LIMITS,
    name: "lease",
    // Nothing of the process's own flags, such as an inspector or a loader, is for this thread.
    execArgv: [],
    env: {},
  });
}

/** A module and those that it imports, without types, as one address of data. Type imports vanish. */
function stripped(url: URL): URL {
  const source = withoutTypes(readFileSync(url, "utf8"));
  const linked = source.replaceAll(
    /(from\s*|import\()"(\.[^"]+\.ts)"/g,
    (_, before: string, path: string) => `${before}"${stripped(new URL(path, url)).href}"`,
  );
  const named = `${linked}\n//# sourceURL=${url.href}`;
  return new URL(`data:text/javascript;base64,${Buffer.from(named).toString("base64")}`);
}

/** Node calls the function experimental, on stderr, with each start; its result is the same that Node itself runs. */
function withoutTypes(source: string): string {
  const emitWarning = process.emitWarning.bind(process);
  process.emitWarning = () => undefined;
  try {
    return stripTypeScriptTypes(source);
  } finally {
    process.emitWarning = emitWarning;
  }
}
