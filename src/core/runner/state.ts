// The runner's state, and the draft of the next one that a step works on. A draft is a step's own: nobody else sees it
// change. Events are queued, never delivered inside each other, so that all jobs see them in one order.
import type { Job } from "../runner-config.ts";
import { keyOf, type Action, type MachineConfig, type RunnerEvent } from "./event.ts";
import { freshJob, type JobState } from "./job.ts";
import type { TimerName } from "./event.ts";

export type Failure = { readonly job: string; readonly code: number };

export type RunnerState = {
  readonly config: MachineConfig;
  readonly jobs: ReadonlyMap<string, JobState>;
  /** Events that have happened, for those who need to know it later. Bounded: one entry for each source and event. */
  readonly history: ReadonlySet<string>;
  readonly maintenance: boolean;
  readonly shuttingDown: boolean;
  /** Of jobs that ended badly for good, whose codes count, in this order. */
  readonly failures: readonly Failure[];
  readonly over: boolean;
};

export type Draft = {
  config: MachineConfig;
  readonly jobs: Map<string, JobState>;
  readonly history: Set<string>;
  maintenance: boolean;
  shuttingDown: boolean;
  failures: readonly Failure[];
  over: boolean;
  readonly queue: RunnerEvent[];
  readonly actions: Action[];
};

export function initialState(config: MachineConfig): RunnerState {
  return {
    config,
    jobs: new Map(config.jobs.map((job) => [job.name, freshJob(job)])),
    history: new Set(),
    maintenance: false,
    shuttingDown: false,
    failures: [],
    over: false,
  };
}

export function draftOf(state: RunnerState): Draft {
  return {
    ...state,
    jobs: new Map(state.jobs),
    history: new Set(state.history),
    queue: [],
    actions: [],
  };
}

export function patch(draft: Draft, name: string, change: Partial<JobState>): void {
  const known = draft.jobs.get(name);
  if (known !== undefined) draft.jobs.set(name, { ...known, ...change });
}

export function emit(draft: Draft, event: RunnerEvent): void {
  draft.queue.push(event);
  draft.actions.push({ do: "tell", event });
}

const OPPOSITES: Readonly<Record<string, string>> = { healthy: "unhealthy", unhealthy: "healthy" };

/** What is so no longer is no history. */
export function remember(draft: Draft, { source, event }: RunnerEvent): void {
  const opposite = OPPOSITES[event];
  if (opposite !== undefined) draft.history.delete(`${source} ${opposite}`);
  draft.history.add(keyOf({ source, event }));
}

/** Another job has this name now. */
export function forget(draft: Draft, name: string): void {
  for (const key of draft.history)
    if (key.startsWith(`${name} `) || key.startsWith(`check.${name} `)) draft.history.delete(key);
  draft.failures = draft.failures.filter(({ job }) => job !== name);
}

export function setTimer(draft: Draft, job: string, timer: TimerName, ms: number): void {
  draft.actions.push({ do: "set-timer", job, timer, ms });
}

export function clearTimers(draft: Draft, job: string, ...timers: readonly TimerName[]): void {
  for (const timer of timers) draft.actions.push({ do: "clear-timer", job, timer });
}

/** All that a start has to wait for has happened. */
export function isAfterMet(draft: Pick<Draft, "history">, { when }: Job): boolean {
  return when.after.every((needed) => draft.history.has(keyOf(needed)));
}
