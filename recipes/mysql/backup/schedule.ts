// Moments of the cron schedules, in UTC, ms since 1970. croner is small: the agent itself asks it.
import { Cron } from "croner";

/** The first moment after `from`; null: there is none. */
export function nextAfter(schedule: string, from: number): number | null {
  const next = new Cron(schedule, { timezone: "UTC" }).nextRun(new Date(from));
  return next === null ? null : next.getTime();
}

export function nextMoments(schedule: string, from: number, count: number): readonly number[] {
  const cron = new Cron(schedule, { timezone: "UTC" });
  return cron.nextRuns(count, new Date(from)).map((at) => at.getTime());
}
