// What the tests of leases wait for.
import { onTestFinished } from "vitest";
import { monotonicMs } from "../../src/lease/cell.ts";
import type { Lease } from "../../src/ports.ts";
import { until } from "./until.ts";

/** Plays the main loop until the test ends, which also ends the lease, or until what is returned is called. */
export function keepTicking(lease: Lease): () => void {
  const ticking = setInterval(() => lease.tick(), 100);
  onTestFinished(async () => {
    clearInterval(ticking);
    await lease[Symbol.asyncDispose]();
  });
  return () => clearInterval(ticking);
}

/** The id of its session, when it has one other than `other`. */
export function good(lease: Lease, other = ""): Promise<string> {
  return until("the lease has a session", () => {
    const view = lease.view();
    if (view.session === null || view.session === other) return null;
    return view.goodUntil > monotonicMs() ? view.session : null;
  });
}

export function held(lease: Lease): Promise<true> {
  return until("the key is held", () => (lease.view().heldUntil ?? 0) > monotonicMs());
}
