// How jobs start and end: triggers, overlap, restarts with back-off, and what an end means for everything else.
import { pauseAfter } from "../backoff.ts";
import type { Job } from "../runner-config.ts";
import type { RunEnd, RunnerEvent } from "./event.ts";
import { becomeUnhealthy, beginHealth } from "./health.ts";
import { isStopHook, type JobState } from "./job.ts";
import { clearTimers, emit, isAfterMet, patch, setTimer, type Draft } from "./state.ts";

/** More starts than these never wait: whoever triggers faster than the job runs loses the oldest, not the last. */
const MOST_PENDING = 1_000;

// Ends that come sooner are a loop; a job that did its work in a second and is restarted for more is none.
const STEADY_SUCCESS_MS = 1_000;
const STEADY_FAILURE_MS = 10_000;
const FREE_QUICK_ENDS = 10;
const SLOW_PERIOD_MS = 1_000;

/** A fresh job begins to wait for its trigger. */
export function install(draft: Draft, name: string): void {
  const known = draft.jobs.get(name);
  if (known === undefined) return;
  const { when } = known.job;
  if (when.timeoutMs !== null) setTimer(draft, name, "start", when.timeoutMs);
  if (isAfterMet(draft, known.job)) beginInterval(draft, name);
  // A reload brings jobs whose moment has passed already.
  const { trigger } = when;
  if (trigger.kind !== "event" || trigger.each) return;
  for (const source of trigger.sources)
    if (draft.history.has(`${source} ${trigger.event}`) && source !== "global")
      return requestStart(draft, name, { source, event: trigger.event });
}

/** An interval begins when all that it has to come after has happened. */
function beginInterval(draft: Draft, name: string): void {
  const known = draft.jobs.get(name);
  const trigger = known?.job.when.trigger;
  if (trigger?.kind !== "interval" || known?.ticking === true) return;
  patch(draft, name, { ticking: true });
  setTimer(draft, name, "interval", trigger.everyMs);
  if (trigger.firstAtOnce) requestStart(draft, name, null);
}

/** What an event means for the jobs: starts, and starts that waited for it. */
export function deliver(draft: Draft, event: RunnerEvent): void {
  for (const [name, { job }] of draft.jobs) {
    if (triggers(job, event)) requestStart(draft, name, event);
    const awaited = job.when.after.some((needed) => matches(needed, event));
    if (!awaited || !isAfterMet(draft, job)) continue;
    beginInterval(draft, name);
    startPending(draft, name);
  }
}

function matches(one: RunnerEvent, other: RunnerEvent): boolean {
  return one.source === other.source && one.event === other.event;
}

function triggers({ when: { trigger } }: Job, { source, event }: RunnerEvent): boolean {
  if (trigger.kind === "signal")
    return event === "signal" && (trigger.signals as readonly string[]).includes(source);
  return trigger.kind === "event" && trigger.event === event && trigger.sources.includes(source);
}

export function requestStart(draft: Draft, name: string, cause: RunnerEvent | null): void {
  const known = draft.jobs.get(name);
  if (known === undefined || known.life !== "open") return;
  const { job, running, resting, pending, startsLeft } = known;
  if (pending >= startsLeft) return;
  if (job.when.ifRunning && draft.jobs.get(cause?.source ?? "")?.running !== true) return;
  // One without a process has started once and for all.
  if (job.exec === null && known.begun) return;
  const isFree = !running && !resting && isAfterMet(draft, job);
  if (isFree) return begin(draft, name, { cause, isRestart: false });
  const isWaiting = !running && !resting;
  if (job.when.overlap === "skip" && !isWaiting) return;
  if (job.when.overlap === "queue" && pending >= MOST_PENDING)
    return note(draft, name, "warn", `${MOST_PENDING} starts are waiting: one is left out`);
  const next = job.when.overlap === "queue" && !isWaiting ? pending + 1 : 1;
  patch(draft, name, { pending: next, cause });
}

function startPending(draft: Draft, name: string): void {
  const known = draft.jobs.get(name);
  if (known === undefined || known.pending === 0 || known.life !== "open") return;
  if (known.running || known.resting || !isAfterMet(draft, known.job)) return;
  patch(draft, name, { pending: known.pending - 1 });
  begin(draft, name, { cause: known.cause, isRestart: false });
}

function begin(
  draft: Draft,
  name: string,
  { cause, isRestart }: { readonly cause: RunnerEvent | null; readonly isRestart: boolean },
): void {
  const known = draft.jobs.get(name);
  if (known === undefined) return;
  const { job, begun, startsLeft, waits } = known;
  const left = isRestart ? startsLeft : startsLeft - 1;
  if (waits) clearTimers(draft, name, "start");
  const running = job.exec !== null;
  patch(draft, name, { begun: true, waits: false, running, timedOut: false, startsLeft: left });
  if (running) draft.actions.push({ do: "spawn", job, cause });
  if (running && job.timeoutMs !== null) setTimer(draft, name, "run", job.timeoutMs);
  if (!begun) beginHealth(draft, name);
}

export function restart(draft: Draft, name: string): void {
  const known = draft.jobs.get(name);
  if (known === undefined || !known.resting || known.life !== "open") return;
  patch(draft, name, { resting: false, restartsLeft: known.restartsLeft - 1 });
  begin(draft, name, { cause: null, isRestart: true });
}

/** True: its end asks everything else to stop. */
export function ended(draft: Draft, name: string, end: RunEnd): boolean {
  const known = draft.jobs.get(name);
  if (known === undefined || !known.running) return false;
  const success = isSuccess(known, end);
  const event = success ? "exitSuccess" : "exitFailed";
  clearTimers(draft, name, "run");
  if (known.timedOut)
    note(
      draft,
      name,
      "warn",
      `timeout after ${known.job.timeoutMs}ms: '${String(known.job.exec)}'`,
    );
  patch(draft, name, { running: false, timedOut: false });
  emit(draft, { source: name, event });
  if (known.life !== "open") {
    if (!success && !isAsAsked(draft, known, end)) recordFailure(draft, known, end);
    return false;
  }
  if (known.pending > 0) {
    startPending(draft, name);
    return false;
  }
  const mayRestart = known.restartsLeft > 0 && !draft.shuttingDown && !known.removed;
  if (mayRestart) {
    rest(draft, name, { success, afterMs: end.afterMs });
    return false;
  }
  if (known.startsLeft > 0) return false;
  if (!success) recordFailure(draft, known, end);
  const { onSuccess, onFailure } = known.job.exit;
  return (success ? onSuccess : onFailure) === "shutdown";
}

function rest(
  draft: Draft,
  name: string,
  { success, afterMs }: { readonly success: boolean; readonly afterMs: number },
): void {
  const known = draft.jobs.get(name);
  if (known === undefined) return;
  const isSteady = afterMs >= (success ? STEADY_SUCCESS_MS : STEADY_FAILURE_MS);
  const quickEnds = isSteady ? 0 : known.quickEnds + 1;
  const { firstMs, mostMs } = known.job.backoff;
  const doubled = pauseAfter(Math.max(1, quickEnds), { firstMs, longestMs: mostMs });
  // Whatever was configured: a loop never runs faster than this.
  const least = quickEnds > FREE_QUICK_ENDS ? Math.max(0, SLOW_PERIOD_MS - afterMs) : 0;
  patch(draft, name, { resting: true, quickEnds });
  setTimer(draft, name, "restart", Math.max(doubled, least));
  becomeUnhealthy(draft, name);
}

function isSuccess({ job, timedOut }: JobState, { code }: RunEnd): boolean {
  return !timedOut && code !== null && job.exit.successCodes.includes(code);
}

/** It was asked to end, and did it in its own good time. */
function isAsAsked({ config }: Draft, { job, asked }: JobState, { signal, code }: RunEnd): boolean {
  if (!asked) return false;
  if (config.stopTimeoutMs === 0 && signal === "SIGKILL") return true;
  return signal === job.stopSignal || code === codeOf({ code: null, signal: job.stopSignal });
}

function recordFailure(draft: Draft, { job, timedOut }: JobState, end: RunEnd): void {
  if (!job.exit.counts) return;
  const code = codeOf(end);
  draft.failures = [...draft.failures, { job: job.name, code: timedOut && code === 0 ? 1 : code }];
}

/** The numbers of the signals that end processes. */
const SIGNALS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
};

/** As a shell tells it: its code, or 128 and the signal. */
export function codeOf({ code, signal }: Pick<RunEnd, "code" | "signal">): number {
  return code ?? 128 + (SIGNALS[signal ?? ""] ?? 0);
}

export function note(
  draft: Draft,
  job: string,
  level: "info" | "warn" | "error",
  text: string,
): void {
  draft.actions.push({ do: "note", level, job, text });
}

/** Whether the event of `source` can still come, of those that `name` may start on. */
function canStillHappen(draft: Draft, source: string, event: string): boolean {
  const [, checked] = /^check\.(.*)$/.exec(source) ?? [];
  const known =
    draft.jobs.get(source) ?? (checked === undefined ? undefined : draft.jobs.get(checked));
  if (known === undefined) return !draft.shuttingDown && isOutside(source);
  if (known.successor !== null) return true;
  if (event === "stopping") return ["open", "withdrawing", "waiting"].includes(known.life);
  return known.life !== "stopped";
}

function isOutside(source: string): boolean {
  return source === "global" || source.startsWith("watch.") || source.startsWith("SIG");
}

/** It does nothing and never will again. */
export function isSpent(draft: Draft, known: JobState): boolean {
  const { job, life, running, resting, begun, waits, pending, startsLeft } = known;
  if (life !== "open" || running || resting) return false;
  if (job.exec === null && begun) return draft.shuttingDown && isStopHook(job);
  const { trigger, after } = job.when;
  if (pending > 0) return !after.every((one) => mayCome(draft, one));
  if (startsLeft === 0) return true;
  if (waits && !draft.shuttingDown) return false;
  if (trigger.kind === "interval") return !after.every((one) => mayCome(draft, one));
  if (trigger.kind === "signal") return draft.shuttingDown;
  return !trigger.sources.some((source) => canStillHappen(draft, source, trigger.event));
}

function mayCome(draft: Draft, { source, event }: RunnerEvent): boolean {
  return draft.history.has(`${source} ${event}`) || canStillHappen(draft, source, event);
}
