// Follows what one agent tells over its control socket, through restarts of the agent, by long polling: an event is here
// a millisecond after it happened, and a quiet node costs three requests a minute.
import { UnavailableError } from "../errors.ts";
import type { BusEvent } from "../runtime/bus.ts";
import { realClock as clock } from "../runtime/clock.ts";
import { ask } from "./ask.ts";

type Told = {
  readonly pid: number;
  readonly events: readonly BusEvent[];
  readonly last: number;
};

const WAIT_MS = 20_000;
// An agent that is not there yet is asked this often.
const AGAIN_MS = 250;

/** What is in the agent's memory now. Errors: UnavailableError AP_CONTROL_UNREACHABLE. */
export async function eventsNow(socket: string): Promise<readonly BusEvent[]> {
  const told = await ask<Told>({ socket, path: "/v1/events?since=0", timeoutMs: 3_000 });
  return told.events;
}

/** Calls back with each event, the old ones first, until `signal` aborts. An agent that does not answer is waited for. */
export async function followEvents(
  socket: string,
  signal: AbortSignal,
  onEvent: (event: BusEvent) => void,
): Promise<void> {
  let pid: number | null = null;
  let since = 0;
  while (!signal.aborted) {
    try {
      const path = `/v1/events?since=${since}&wait=${WAIT_MS}`;
      const told = await ask<Told>({ socket, path, timeoutMs: WAIT_MS + 5_000, signal });
      const restarted = pid !== null && pid !== told.pid && since > 0;
      pid = told.pid;
      // Another process counts from 1 again: what it told before we asked is still to be read.
      since = restarted ? 0 : told.last;
      if (!restarted) told.events.forEach(onEvent);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof UnavailableError)) throw error;
      await clock.sleep(AGAIN_MS, signal).catch(() => undefined); // aborted: the loop ends
    }
  }
}
