// How V8 is told to stay small. A process that does little, for months, must not take what the machine could spare.
import { join } from "node:path";
import { cacheDir } from "./cache-dir.ts";

// Without these V8 takes 30 MB more for the same work, because the machine has plenty (young generation 10 MB, compiled
// code 15 MB, the pages of the optimizing compiler 5 MB, measured on Node 24.21).
export const SMALL_HEAP = [
  "--max-semi-space-size=1",
  "--optimize-for-size",
  "--max-lazy",
  "--no-opt",
  "--single-threaded-gc",
];

/**
 * On top of the environment: a cache of compiled code from the first file on (else the type stripper is loaded for that
 * one), apart from the one of processes without SMALL_HEAP, which is invalid here; glibc without a pool per thread.
 */
export function smallHeapEnv(env: NodeJS.ProcessEnv): Record<string, string> {
  return {
    NODE_COMPILE_CACHE: join(cacheDir(env), "compile-agent"),
    MALLOC_ARENA_MAX: "1",
  };
}
