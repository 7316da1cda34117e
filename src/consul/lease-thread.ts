// Starts the lease's thread. Its first words switch on the cache of compiled code for the thread: with it the type
// stripper is loaded neither there nor here (20 MB measured on Node 24.21), but for the first start after a change.
import { getCompileCacheDir } from "node:module";
import { dirname } from "node:path";
import { Worker } from "node:worker_threads";
import type { LeaseWorkerData } from "./lease-worker.ts";

/** The thread's young generation decides its memory; its state is a few kilobytes. */
const LIMITS = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 };

/** The token goes by workerData: it never is in argv or the environment. */
export function startLeaseThread(data: LeaseWorkerData): Worker {
  const isSource = import.meta.url.endsWith(".ts");
  const url = new URL(`./lease-worker${isSource ? ".ts" : ".js"}`, import.meta.url);
  return new Worker(bootstrap(url), {
    eval: true,
    workerData: data,
    resourceLimits: LIMITS,
    name: "lease",
    // Nothing of the process's own flags, such as an inspector or a loader, is for this thread.
    execArgv: [],
    env: {},
  });
}

/** The cache's directory is the parent of the one that this version of Node made in it. */
function bootstrap(url: URL): string {
  const cache = getCompileCacheDir();
  const enable =
    cache === undefined ? "" : `m.enableCompileCache(${JSON.stringify(dirname(cache))});`;
  return `const m = require("node:module"); ${enable}
    import(${JSON.stringify(url.href)}).then(() => m.flushCompileCache());`;
}
