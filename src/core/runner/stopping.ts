// How jobs stop: withdrawn from the catalogue, then whoever starts on their `stopping`, then the time to drain, then the
// stop signal, then the real end of the process, and only then `stopped`.
import { isBusy, type JobState } from "./job.ts";
import { clearTimers, emit, patch, setTimer, type Draft } from "./state.ts";

export function beginStop(draft: Draft, name: string): void {
  const known = draft.jobs.get(name);
  if (known === undefined || known.life !== "open") return;
  clearTimers(draft, name, "start", "interval", "restart", "check");
  const { service } = known.job;
  patch(draft, name, {
    life: service === null ? "waiting" : "withdrawing",
    waits: false,
    resting: false,
    pending: 0,
    checking: false,
  });
  if (service !== null) draft.actions.push({ do: "withdraw", job: name });
}

export function withdrawn(draft: Draft, name: string): void {
  if (draft.jobs.get(name)?.life === "withdrawing") patch(draft, name, { life: "waiting" });
}

/** One step of its stop, if it can be made now. True: it was. */
export function advance(draft: Draft, name: string): boolean {
  const known = draft.jobs.get(name);
  if (known?.life === "waiting")
    return known.job.stopAfter.every((other) => isGone(draft, other)) && askHooks(draft, known);
  if (known?.life === "hooks") return busyHooks(draft, name).length === 0 && drain(draft, known);
  return known?.life === "ending" && !known.running && finish(draft, known);
}

function isGone(draft: Draft, name: string): boolean {
  return (draft.jobs.get(name)?.life ?? "stopped") === "stopped";
}

export function askHooks(draft: Draft, { job }: JobState): true {
  const { name, stopTimeoutMs } = job;
  patch(draft, name, { life: "hooks" });
  emit(draft, { source: name, event: "stopping" });
  if (stopTimeoutMs !== null) setTimer(draft, name, "stop", stopTimeoutMs);
  return true;
}

function busyHooks(draft: Draft, name: string): readonly string[] {
  return [...draft.jobs]
    .filter(([other, state]) => other !== name && startsOnStopping(state, name) && isBusy(state))
    .map(([other]) => other);
}

function startsOnStopping({ job }: JobState, name: string): boolean {
  const { trigger } = job.when;
  return trigger.kind === "event" && trigger.event === "stopping" && trigger.sources.includes(name);
}

/** Its hooks had their time: they are asked to stop themselves, and it goes on. */
export function hooksAreLate(draft: Draft, name: string): void {
  const known = draft.jobs.get(name);
  if (known?.life !== "hooks") return;
  const late = busyHooks(draft, name);
  const after = `${known.job.stopTimeoutMs ?? 0}ms`;
  for (const hook of late) {
    const text = `stopped after ${after}: ${name} waits for it no longer`;
    draft.actions.push({ do: "note", level: "warn", job: hook, text });
    beginStop(draft, hook);
  }
  drain(draft, known);
}

export function drain(draft: Draft, { job, running }: JobState): true {
  clearTimers(draft, job.name, "stop");
  if (job.service === null || job.drainMs === 0 || !running) return askToEnd(draft, job.name);
  patch(draft, job.name, { life: "draining" });
  setTimer(draft, job.name, "drain", job.drainMs);
  return true;
}

export function drained(draft: Draft, name: string): void {
  if (draft.jobs.get(name)?.life === "draining") askToEnd(draft, name);
}

function askToEnd(draft: Draft, name: string): true {
  const known = draft.jobs.get(name);
  patch(draft, name, { life: "ending" });
  if (known?.running !== true) return true;
  const { stopTimeoutMs } = draft.config;
  // Without any time to end, being killed is what was asked for.
  const signal = stopTimeoutMs === 0 ? "SIGKILL" : known.job.stopSignal;
  patch(draft, name, { asked: true });
  draft.actions.push({ do: "signal", job: name, signal });
  if (stopTimeoutMs > 0) setTimer(draft, name, "kill", stopTimeoutMs);
  return true;
}

export function killLate(draft: Draft, name: string): void {
  const known = draft.jobs.get(name);
  if (known?.life !== "ending" || !known.running) return;
  draft.actions.push({ do: "signal", job: name, signal: "SIGKILL" });
  const text = `killed: it had not ended ${draft.config.stopTimeoutMs}ms after ${known.job.stopSignal}`;
  draft.actions.push({ do: "note", level: "warn", job: name, text });
}

function finish(draft: Draft, { job }: JobState): true {
  clearTimers(draft, job.name, "drain", "kill", "run");
  patch(draft, job.name, { life: "stopped", health: "unknown" });
  emit(draft, { source: job.name, event: "stopped" });
  return true;
}
