// Which jobs can ever run, and which would wait for each other at their stop.
import { isSignal } from "./events.ts";
import type { JobView, View } from "./view.ts";

/** Jobs that wait for what can never happen because of others that never run. Mistakes that are told elsewhere: none. */
export function neverRunning(view: View): readonly JobView[] {
  const byName = new Map(view.jobs.map((job) => [job.name, job]));
  const running = new Set<JobView>();
  const happens = (source: string, event: string | null): boolean => {
    const job = byName.get(source.replace(/^check\./, "")) ?? null;
    // Every job stops in the end, and may give up waiting; the rest of its events need a run.
    if (
      job === null ||
      event === null ||
      !["exitSuccess", "exitFailed", "healthy", "unhealthy"].includes(event)
    )
      return true;
    return running.has(job);
  };
  for (let before = -1; before < running.size;) {
    before = running.size;
    for (const job of view.jobs) if (canStart(job, happens)) running.add(job);
  }
  return view.jobs.filter((job) => !running.has(job) && !waitsForItself(job));
}

function canStart(
  { when }: JobView,
  happens: (source: string, event: string | null) => boolean,
): boolean {
  if (!when.after.every(({ source, event }) => happens(source, event))) return false;
  if (when.interval !== null || when.sources.length === 0) return true;
  return when.sources.some((source) => isSignal(source) || happens(source, when.once ?? when.each));
}

function waitsForItself({ name, when }: JobView): boolean {
  return when.sources.includes(name ?? "") || when.after.some(({ source }) => source === name);
}

/** Paths of waits that close a circle: a job that starts on another's `stopping` holds it up, `stopAfter` waits for it. */
export function stopCycles({ jobs }: View): readonly string[] {
  const waits = new Map<string, { readonly for: string; readonly path: string }[]>();
  const add = (who: string | null, whom: string | null, path: string): void => {
    if (who !== null && whom !== null && who !== whom)
      waits.set(who, [...(waits.get(who) ?? []), { for: whom, path }]);
  };
  for (const { name, path, when, stopAfter } of jobs) {
    if ((when.once ?? when.each) === "stopping")
      for (const source of when.sources) add(source, name, `${path}.when`);
    for (const other of stopAfter) add(name, other, `${path}.stopAfter`);
  }
  const found = new Set<string>();
  for (const { name } of jobs) {
    const closing = closes(name ?? "", waits);
    if (closing !== null) found.add(closing);
  }
  for (const { name, path, stopAfter } of jobs)
    if (stopAfter.includes(name ?? "")) found.add(`${path}.stopAfter`);
  return [...found];
}

/** The first wait on a way from `start` back to it, or null. */
function closes(
  start: string,
  waits: ReadonlyMap<string, readonly { readonly for: string; readonly path: string }[]>,
): string | null {
  for (const first of waits.get(start) ?? []) {
    const seen = new Set<string>();
    const open = [first.for];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (at === start) return first.path;
      if (seen.has(at)) continue;
      seen.add(at);
      open.push(...(waits.get(at) ?? []).map((wait) => wait.for));
    }
  }
  return null;
}
