// Real time: the machine's monotonic clock, shared by all threads of this process.
// CLOCK_MONOTONIC goes on under SIGSTOP, and stands still while a virtual machine is suspended.
import type { Clock } from "../ports.ts";

export const realClock: Clock = { now, wall: Date.now, sleep };

function now(): number {
  // hrtime, not performance.now(): the latter has another origin in each worker thread.
  return Number(process.hrtime.bigint()) / 1e6;
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(reasonOf(signal));
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", aborted, { once: true });
    function done(): void {
      signal?.removeEventListener("abort", aborted);
      resolve();
    }
    function aborted(): void {
      clearTimeout(timer);
      reject(reasonOf(signal));
    }
  });
}

function reasonOf(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new Error("aborted", { cause: reason });
}
