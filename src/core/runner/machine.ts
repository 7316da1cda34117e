// The runner's state machine: (state, input) → (state, actions). Whatever comes in whatever order, no job ever has two
// processes, nothing waits for ever, and in the end everything that was started has ended.
import { isDeepEqual } from "./deep-equal.ts";
import type { Action, Input, MachineConfig } from "./event.ts";
import { checked, setMaintenance, tickCheck } from "./health.ts";
import { freshJob, isInMotion, isStopHook, type JobState } from "./job.ts";
import { deliver, ended, install, isSpent, requestStart, restart } from "./starting.ts";
import {
  draftOf,
  emit,
  forget,
  patch,
  remember,
  setTimer,
  type Draft,
  type RunnerState,
} from "./state.ts";
import {
  advance,
  askHooks,
  beginStop,
  drain,
  drained,
  hooksAreLate,
  killLate,
  withdrawn,
} from "./stopping.ts";

export { initialState, type RunnerState } from "./state.ts";

export type Stepped = { readonly state: RunnerState; readonly actions: readonly Action[] };

export function step(state: RunnerState, input: Input): Stepped {
  if (state.over) return { state, actions: [] };
  const draft = draftOf(state);
  take(draft, input);
  settle(draft);
  const { queue: _, actions, ...next } = draft;
  return { state: next, actions };
}

function take(draft: Draft, input: Input): void {
  switch (input.kind) {
    case "start":
      for (const name of draft.jobs.keys()) install(draft, name);
      return emit(draft, { source: "global", event: "startup" });
    case "exited":
      if (ended(draft, input.job, input.end)) shutDown(draft);
      return;
    case "timer":
      return tick(draft, input.job, input.timer);
    case "checked":
      return checked(draft, input.job, input.ok);
    case "withdrawn":
      return withdrawn(draft, input.job);
    case "watch":
      return watched(draft, input);
    case "signal":
      return emit(draft, { source: input.signal, event: "signal" });
    case "maintenance":
      return setMaintenance(draft, input.on);
    case "reload":
      return draft.shuttingDown ? undefined : reload(draft, input.config);
    case "stop":
      return shutDown(draft);
  }
}

function tick(draft: Draft, name: string, timer: (Input & { kind: "timer" })["timer"]): void {
  const known = draft.jobs.get(name);
  if (known === undefined) return;
  const { trigger } = known.job.when;
  switch (timer) {
    case "start":
      if (!known.waits || known.begun || known.life !== "open") return;
      emit(draft, { source: name, event: "timerExpired" });
      return beginStop(draft, name);
    case "interval":
      if (known.life !== "open" || trigger.kind !== "interval") return;
      setTimer(draft, name, "interval", trigger.everyMs);
      return requestStart(draft, name, null);
    case "run":
      if (!known.running) return;
      patch(draft, name, { timedOut: true });
      return void draft.actions.push({ do: "signal", job: name, signal: "SIGKILL" });
    case "restart":
      return restart(draft, name);
    case "check":
      return tickCheck(draft, name);
    case "stop":
      return hooksAreLate(draft, name);
    case "drain":
      return drained(draft, name);
    case "kill":
      return killLate(draft, name);
  }
}

function watched(draft: Draft, { id, first, any }: Input & { kind: "watch" }): void {
  const source = `watch.${id}`;
  // Nothing at the first look has changed nothing, but is worth knowing.
  if (!first || any) emit(draft, { source, event: "changed" });
  emit(draft, { source, event: any ? "healthy" : "unhealthy" });
}

function shutDown(draft: Draft): void {
  if (draft.shuttingDown) return;
  draft.shuttingDown = true;
  for (const name of draft.jobs.keys()) patch(draft, name, { successor: null });
  emit(draft, { source: "global", event: "shutdown" });
  deliverAll(draft);
  for (const [name, { job }] of draft.jobs) if (!isStopHook(job)) beginStop(draft, name);
}

/** Only what changed is stopped and started; the rest does not notice. */
function reload(draft: Draft, config: MachineConfig): void {
  draft.config = config;
  const wanted = new Map(config.jobs.map((job) => [job.name, job]));
  for (const [name, known] of draft.jobs) {
    const job = wanted.get(name);
    if (job === undefined) retire(draft, known, { successor: null, removed: true });
    else if (!isDeepEqual(job, known.job)) retire(draft, known, { successor: job, removed: false });
    else if (known.successor !== null || known.removed)
      patch(draft, name, { successor: job, removed: false });
  }
  for (const [name, job] of wanted)
    if (!draft.jobs.has(name)) {
      draft.jobs.set(name, freshJob(job));
      install(draft, name);
    }
  emit(draft, { source: "global", event: "startup" });
}

function retire(
  draft: Draft,
  { job }: JobState,
  fate: Pick<JobState, "successor" | "removed">,
): void {
  patch(draft, job.name, fate);
  beginStop(draft, job.name);
}

function deliverAll(draft: Draft): void {
  for (let event = draft.queue.shift(); event !== undefined; event = draft.queue.shift()) {
    remember(draft, event);
    deliver(draft, event);
  }
}

/** Until nothing moves by itself any more. */
function settle(draft: Draft): void {
  for (;;) {
    deliverAll(draft);
    if (moveAll(draft) || draft.queue.length > 0) continue;
    if (draft.over || !endIsNear(draft)) return;
  }
}

function moveAll(draft: Draft): boolean {
  let moved = false;
  for (const name of draft.jobs.keys())
    for (const move of [stopSpent, advance, replace]) {
      if (!move(draft, name)) continue;
      moved = true;
      // What it set off is known to all before the next one is looked at.
      deliverAll(draft);
    }
  return moved;
}

function stopSpent(draft: Draft, name: string): boolean {
  const known = draft.jobs.get(name);
  if (known === undefined || !isSpent(draft, known)) return false;
  beginStop(draft, name);
  return true;
}

/** A stopped job that a reload changed or took out. */
function replace(draft: Draft, name: string): boolean {
  const known = draft.jobs.get(name);
  if (known?.life !== "stopped") return false;
  const { successor, removed } = known;
  if (removed) return draft.jobs.delete(name);
  if (successor === null) return false;
  draft.jobs.set(name, freshJob(successor));
  forget(draft, name);
  rearmHooks(draft, name);
  install(draft, name);
  if (startsAtStartup(draft.jobs.get(name)))
    requestStart(draft, name, { source: "global", event: "startup" });
  return true;
}

function startsAtStartup(known: JobState | undefined): boolean {
  const trigger = known?.job.when.trigger;
  return (
    trigger?.kind === "event" && trigger.event === "startup" && trigger.sources.includes("global")
  );
}

/** Hooks of the old one have run; the new one will stop too. */
function rearmHooks(draft: Draft, source: string): void {
  for (const [name, { job, life, startsLeft, removed }] of draft.jobs) {
    const { trigger } = job.when;
    if (name === source || removed || trigger.kind !== "event") continue;
    if (!isStopHook(job) || !trigger.sources.includes(source)) continue;
    if (life === "stopped") {
      forget(draft, name);
      draft.jobs.set(name, freshJob(job));
      install(draft, name);
    } else if (life !== "open" || startsLeft === 0) patch(draft, name, { successor: job });
  }
}

/** All is still. True: the end made another move. */
function endIsNear(draft: Draft): boolean {
  const all = [...draft.jobs.values()];
  const others = all.filter(({ job }) => job.name !== draft.config.background);
  const isDone = others.length > 0 && others.every(({ life }) => life === "stopped");
  if (!draft.shuttingDown) {
    if (isDone) shutDown(draft);
    return isDone;
  }
  const left = all.filter(({ life }) => life !== "stopped");
  if (left.length > 0) return !left.some(isInMotion) && breakCircle(draft, left);
  draft.over = true;
  draft.actions.push({ do: "exit", code: exitCodeOf(draft) });
  return false;
}

/** Those that are left wait for each other: the first that can goes on. */
function breakCircle(draft: Draft, left: readonly JobState[]): true {
  const waiting = left.find(({ life }) => life === "waiting");
  const asked = left.find(({ life }) => life === "hooks");
  if (waiting !== undefined) return askHooks(draft, waiting);
  if (asked !== undefined) return drain(draft, asked);
  const [idle] = left;
  if (idle !== undefined) beginStop(draft, idle.job.name);
  return true;
}

function exitCodeOf({ config, failures }: Draft): number {
  const failure = { "first-failed": failures[0], "last-failed": failures.at(-1), zero: undefined };
  return failure[config.exitCode]?.code ?? 0;
}
