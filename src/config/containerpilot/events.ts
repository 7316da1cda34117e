// The names of events, and which source can send which.
import type { EventName } from "../../core/runner-config.ts";

/** Of a job's process; of its checks; of its life; of one that gave up waiting. */
export const PROCESS_EVENTS = ["exitSuccess", "exitFailed"] as const;
export const HEALTH_EVENTS = ["healthy", "unhealthy"] as const;
export const LIFE_EVENTS = ["stopping", "stopped"] as const;
export const WATCH_EVENTS = ["changed", "healthy", "unhealthy"] as const;
export const GLOBAL_EVENTS = [
  "startup",
  "shutdown",
  "enterMaintenance",
  "exitMaintenance",
] as const;

export const EVENT_NAMES: readonly EventName[] = [
  ...PROCESS_EVENTS,
  ...HEALTH_EVENTS,
  ...LIFE_EVENTS,
  "timerExpired",
  "changed",
  ...GLOBAL_EVENTS,
];

/** They are sources without an event. */
export const SIGNALS = ["SIGHUP", "SIGUSR2"] as const;

export function isSignal(source: string): source is (typeof SIGNALS)[number] {
  return (SIGNALS as readonly string[]).includes(source);
}

export function isGlobal(event: string): boolean {
  return (GLOBAL_EVENTS as readonly string[]).includes(event);
}

/** A source that is left out is the one that an event of everyone comes from. */
export function sourcesOf(
  written: readonly string[] | undefined,
  event: string,
): readonly string[] {
  const given = (written ?? []).filter((source) => source !== "");
  return given.length === 0 && isGlobal(event) ? ["global"] : given;
}
