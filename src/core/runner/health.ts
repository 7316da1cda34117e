// Health: checks in a row change the state, changes are events, and the service's state follows at once. In maintenance
// nothing is checked and nothing is registered.
import { emit, patch, setTimer, type Draft } from "./state.ts";

/** At a job's first start. */
export function beginHealth(draft: Draft, name: string): void {
  const { job } = draft.jobs.get(name) ?? {};
  if (job?.health === null || job === undefined) return;
  setTimer(draft, name, "check", job.health.intervalMs);
  advertiseInitially(draft, name);
}

function advertiseInitially(draft: Draft, name: string): void {
  const { job } = draft.jobs.get(name) ?? {};
  const status = job?.service?.initialStatus ?? null;
  if (job !== undefined && status !== null && !draft.maintenance)
    draft.actions.push({ do: "advertise", job, status });
}

/** The interval is over: the next check, unless one is still under way. */
export function tickCheck(draft: Draft, name: string): void {
  const known = draft.jobs.get(name);
  if (known === undefined || known.life !== "open" || known.job.health === null) return;
  setTimer(draft, name, "check", known.job.health.intervalMs);
  check(draft, name);
}

function check(draft: Draft, name: string): void {
  const known = draft.jobs.get(name);
  if (known === undefined || known.life !== "open" || known.job.health === null) return;
  if (draft.maintenance || known.checking || !known.begun) return;
  patch(draft, name, { checking: true });
  // Alive is healthy: also that of one that never had a process.
  if (known.job.health.check.kind === "heartbeat")
    return checked(draft, name, known.job.exec === null || known.running);
  draft.actions.push({ do: "check", job: known.job });
}

export function checked(draft: Draft, name: string, ok: boolean): void {
  const known = draft.jobs.get(name);
  if (known === undefined || !known.checking) return;
  patch(draft, name, { checking: false });
  const { job, health } = known;
  if (job.health === null) return;
  if (job.health.check.kind === "exec")
    emit(draft, { source: `check.${name}`, event: ok ? "exitSuccess" : "exitFailed" });
  if (known.life !== "open" || draft.maintenance) return;
  // What it was when it was asked counts no more: the process has died since.
  if (known.resting && ok) return;
  const wanted = ok ? "healthy" : "unhealthy";
  const streak = health === wanted ? 0 : known.streak + 1;
  const needed = ok ? job.health.passes : job.health.failures;
  if (health === wanted || streak >= needed) become(draft, name, wanted);
  else {
    patch(draft, name, { streak });
    // Still believed: the catalogue's clock must not decide what the threshold decides.
    if (health === "healthy") advertise(draft, name, "passing");
  }
}

function become(draft: Draft, name: string, health: "healthy" | "unhealthy"): void {
  const known = draft.jobs.get(name);
  patch(draft, name, { health, streak: 0 });
  if (known?.health !== health) emit(draft, { source: name, event: health });
  advertise(draft, name, health === "healthy" ? "passing" : "critical");
}

function advertise(draft: Draft, name: string, status: "passing" | "critical"): void {
  const { job } = draft.jobs.get(name) ?? {};
  if (job !== undefined && job.service !== null)
    draft.actions.push({ do: "advertise", job, status });
}

/** Its process died and is started again: nobody should be sent to it until a check has passed. */
export function becomeUnhealthy(draft: Draft, name: string): void {
  if (draft.jobs.get(name)?.health === "healthy" && !draft.maintenance)
    become(draft, name, "unhealthy");
}

/** Idempotent. */
export function setMaintenance(draft: Draft, on: boolean): void {
  if (draft.maintenance === on || draft.shuttingDown) return;
  draft.maintenance = on;
  emit(draft, { source: "global", event: on ? "enterMaintenance" : "exitMaintenance" });
  for (const [name, { job, life, begun }] of draft.jobs) {
    if (life !== "open" || job.health === null) continue;
    patch(draft, name, { health: "unknown", streak: 0 });
    if (on && job.service !== null) draft.actions.push({ do: "withdraw", job: name });
    if (on || !begun) continue;
    advertiseInitially(draft, name);
    check(draft, name);
  }
}
