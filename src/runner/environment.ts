// What jobs find in their environment beside that of the container: our pid, the addresses of services, the pids of jobs
// that run, and for a job that an event started, which one and what changed.
import type { RunnerEvent } from "../core/runner/event.ts";

export const OWN_PID = "CONTAINERPILOT_PID";

/** app-one → CONTAINERPILOT_APP_ONE_IP */
export function addressVariable(name: string): string {
  return `CONTAINERPILOT_${name.toUpperCase().replaceAll("-", "_")}_IP`;
}

/** coprocess.sh → CONTAINERPILOT_COPROCESS_PID */
export function pidVariable(name: string): string {
  const stem = name.replace(/\.[^.]*$/, "") || name;
  return `CONTAINERPILOT_${stem.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_")}_PID`;
}

/** What a watch saw at its last change. */
export type Seen = {
  /** "address:port" of the instances, or keys. */
  readonly all: readonly string[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Those that are still there, but otherwise. */
  readonly changed: readonly string[];
};

/** One variable must not be longer than Linux takes (128 KiB), nor all of them fill the stack. */
const LONGEST = 32 * 1024;

export function causeEnv(cause: RunnerEvent | null, seen: Seen | null): Record<string, string> {
  if (cause === null) return {};
  const env = { AUTOPILOT_EVENT: cause.event, AUTOPILOT_SOURCE: cause.source };
  if (seen === null) return env;
  return {
    ...env,
    AUTOPILOT_WATCH_COUNT: String(seen.all.length),
    AUTOPILOT_WATCH_ALL: listed(seen.all),
    AUTOPILOT_WATCH_ADDED: listed(seen.added),
    AUTOPILOT_WATCH_REMOVED: listed(seen.removed),
    AUTOPILOT_WATCH_CHANGED: listed(seen.changed),
  };
}

/** Too long a list ends with an ellipsis: who needs all of it asks the catalogue. */
function listed(words: readonly string[]): string {
  const text = words.join(" ");
  return text.length <= LONGEST ? text : `${text.slice(0, text.lastIndexOf(" ", LONGEST))} …`;
}
