// The state of one job, and what can be said of it. A job is open (it starts, runs, is restarted) and then stops once:
//   withdrawing → waiting (stopAfter) → hooks (those on its `stopping`) → draining → ending → stopped
import type { Job } from "../runner-config.ts";
import type { RunnerEvent } from "./event.ts";

export type Life = "open" | "withdrawing" | "waiting" | "hooks" | "draining" | "ending" | "stopped";

export type JobState = {
  readonly job: Job;
  readonly life: Life;
  /** There is a process, or one is being started. */
  readonly running: boolean;
  /** It has started at least once; one without a process then just is. */
  readonly begun: boolean;
  /** The interval's timer runs. */
  readonly ticking: boolean;
  /** The start timer runs. */
  readonly waits: boolean;
  /** A pause before a restart. */
  readonly resting: boolean;
  /** Starts that triggers may still make; Infinity: any number. */
  readonly startsLeft: number;
  readonly restartsLeft: number;
  /** Starts that were asked for and wait, and what asked last. */
  readonly pending: number;
  readonly cause: RunnerEvent | null;
  /** Ends in a row that came too soon. */
  readonly quickEnds: number;
  readonly timedOut: boolean;
  /** It was sent its stop signal. */
  readonly asked: boolean;
  readonly health: "unknown" | "healthy" | "unhealthy";
  /** Checks in a row that contradict `health`. */
  readonly streak: number;
  readonly checking: boolean;
  /** What takes its place when it has stopped: a reload brought it. */
  readonly successor: Job | null;
  /** A reload took it out. */
  readonly removed: boolean;
};

export function freshJob(job: Job): JobState {
  const { trigger } = job.when;
  const restarts = job.restarts === "unlimited" ? Infinity : job.restarts;
  const isInterval = trigger.kind === "interval";
  const isOnce = trigger.kind === "event" && !trigger.each;
  return {
    job,
    life: "open",
    running: false,
    begun: false,
    ticking: false,
    waits: job.when.timeoutMs !== null,
    resting: false,
    startsLeft: isInterval ? restarts + 1 : isOnce ? 1 : Infinity,
    restartsLeft: isInterval ? 0 : restarts,
    pending: 0,
    cause: null,
    quickEnds: 0,
    timedOut: false,
    asked: false,
    health: "unknown",
    streak: 0,
    checking: false,
    successor: null,
    removed: false,
  };
}

/** A stop hook: the global shutdown does not stop it but lets it run to its end. */
export function isStopHook({ when: { trigger } }: Job): boolean {
  return trigger.kind === "event" && ["stopping", "stopped", "shutdown"].includes(trigger.event);
}

/** It does something, or is about to. */
export function isBusy({ life, running, resting, pending }: JobState): boolean {
  if (life === "stopped") return false;
  return life !== "open" || running || resting || pending > 0;
}

/** Something outside will move it: a process, a timer or an answer. */
export function isInMotion({ life, running, resting }: JobState): boolean {
  if (life === "open") return running || resting;
  return life === "withdrawing" || life === "draining" || life === "ending";
}

/** As `/status` words it. */
export function statusOf(
  { job, health }: JobState,
  maintenance: boolean,
): "unknown" | "healthy" | "unhealthy" | "maintenance" {
  return maintenance && (job.health !== null || job.service !== null) ? "maintenance" : health;
}
