// Starts the lease's thread. Its first words switch on the cache of compiled code for the thread: with it the type
// stripper is loaded neither there nor here (20 MB measured on Node 24.21), but for the first start after a change.
import { getCompileCacheDir } from "node:module";
import { dirname } from "node:path";
import { Worker } from "node:worker_threads";
import type { LeaseThreadData } from "./keeper.ts";

/** The thread's young generation decides its memory. */
const LIMITS = { maxYoungGenerationSizeMb: 1, stackSizeMb: 1 };

/** The module that the thread runs, and what it needs to know beside what every keeper does. */
export type LeaseProgram = {
  readonly url: URL;
  /** Plain data, with its secrets. */
  readonly config: unknown;
  /** Of its old generation, MiB; its state is a few kilobytes, its client may need more. */
  readonly heapMiB: number;
};

/** Secrets go by workerData: they never are in argv or the environment. */
export function startLeaseThread(program: LeaseProgram, data: LeaseThreadData): Worker {
  return new Worker(bootstrap(program.url), {
    eval: true,
    workerData: { ...data, config: program.config },
    resourceLimits: { ...LIMITS, maxOldGenerationSizeMb: program.heapMiB },
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
