// What the parts of a configuration mean for each other: names that meet, sources that exist, jobs that can run. It looks
// at the file as it was written, so that a mistake in one key does not hide those between the others.
import { closest } from "../../core/edit-distance.ts";
import {
  GLOBAL_EVENTS,
  HEALTH_EVENTS,
  LIFE_EVENTS,
  PROCESS_EVENTS,
  SIGNALS,
  WATCH_EVENTS,
  isSignal,
} from "./events.ts";
import { neverRunning, stopCycles } from "./reachable.ts";
import { viewOf, type JobView, type View } from "./view.ts";

export type Findings = {
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
};

export type Rules = {
  /** v2 took any name and only warned. */
  readonly anyName: boolean;
};

type Say = (path: string, why: string) => void;

const SERVICE_NAME = /^[a-z][a-zA-Z0-9-]+$/;
const NAME_RULE = "service names are letters, digits and dashes, and begin with a small letter";

export function relationsIn(tree: Readonly<Record<string, unknown>>, rules: Rules): Findings {
  const problems: string[] = [];
  const warnings: string[] = [];
  const view = viewOf(tree);
  const wrong: Say = (path, why) => problems.push(`${path}: ${why}`);
  const warn: Say = (path, why) => warnings.push(`${path}: ${why}`);
  catalogue(view, wrong);
  if (view.trustsBlindly)
    warn("consul.tls.verify", "certificates are verified; ContainerPilot did so only when told to");
  names(view, rules.anyName ? warn : wrong, wrong);
  for (const job of view.jobs) {
    service(job, wrong, warn);
    health(job, wrong, warn);
    start(job, view, wrong, warn);
    command(job, warn);
  }
  for (const job of neverRunning(view))
    wrong(
      `${job.path}.when`,
      "it can never run: what it waits for waits for it, or can never happen",
    );
  for (const path of stopCycles(view))
    wrong(path, "it waits at its stop for a job that waits for it");
  metrics(view, wrong);
  for (const { path, value } of view.fractions)
    warn(path, `the fraction of ${value} is cut off, as ContainerPilot does it`);
  for (const path of view.emptyEntries) warn(path, "an empty entry is left out");
  return { problems, warnings };
}

function catalogue({ catalogues, usesCatalogue, watches }: View, wrong: Say): void {
  if (catalogues.length === 0)
    wrong("consul", 'no discovery backend defined; without one, say discovery: "none"');
  if (catalogues.length > 1)
    wrong(catalogues[1] ?? "", `more than one discovery backend defined: ${catalogues.join(", ")}`);
  const [path] = usesCatalogue;
  if (catalogues[0] === "discovery" && path !== undefined)
    wrong(path, 'it needs a catalogue, and discovery is "none"');
  if (catalogues[0] !== "etcd") return;
  for (const watch of watches)
    if (watch.hasDatacenter) wrong(`${watch.path}.dc`, "etcd has no datacenters");
}

function names(view: View, badName: Say, wrong: Say): void {
  const seen = new Map<string, string>();
  for (const { name, path, port } of view.jobs) {
    if (name === null) continue;
    if (port !== 0 && !SERVICE_NAME.test(name)) badName(`${path}.name`, NAME_RULE);
    const first = seen.get(name);
    if (first !== undefined)
      wrong(`${path}.name`, `${JSON.stringify(name)} is the name of ${first} too`);
    else seen.set(name, path);
  }
  if (view.hasTelemetry && seen.has("containerpilot"))
    wrong(`${seen.get("containerpilot")}.name`, "telemetry registers itself by this name");
  const watched = new Map<string, string>();
  for (const { id, name, path, isKey, interval } of view.watches) {
    if (!isKey && name !== null && !SERVICE_NAME.test(name)) badName(`${path}.name`, NAME_RULE);
    if (!isKey && interval === undefined)
      wrong(`${path}.interval`, "interval must be > 0, but it is missing");
    if (id === null) continue;
    const first = watched.get(id);
    if (first !== undefined)
      wrong(
        `${path}.name`,
        `${first} is called ${JSON.stringify(id)} too; give one of them another name by \`as\``,
      );
    else watched.set(id, path);
  }
}

function service({ path, port, given }: JobView, wrong: Say, warn: Say): void {
  if (port !== 0) {
    if (!given.has("health")) wrong(`${path}.health`, "it must be set if `port` is set");
    return;
  }
  for (const key of ["interfaces", "tags", "initial_status", "consul", "drain"])
    if (given.has(key)) warn(`${path}.${key}`, "it means nothing without `port`");
}

function health({ path, health: checks, port, hasExec }: JobView, wrong: Say, warn: Say): void {
  if (checks === null) {
    if (!hasExec && port === 0) warn(path, "it has neither exec nor port: it does nothing");
    return;
  }
  const { interval, ttl, kinds } = checks;
  if (interval !== null && ttl !== null && ttl < interval)
    wrong(
      `${path}.health.ttl`,
      `${ttl} is below the interval of ${interval}: it would be critical between two checks`,
    );
  if (interval !== null && interval === ttl)
    warn(`${path}.health.ttl`, "it is the interval: one late check makes the service critical");
  if (kinds.length > 1) wrong(`${path}.health`, `only one of ${kinds.join(", ")}`);
  if (kinds.length === 0 && port === 0) warn(`${path}.health`, "it has nothing to check");
}

function start(job: JobView, view: View, wrong: Say, warn: Say): void {
  const { path, when, restarts } = job;
  const at = `${path}.when`;
  const given = (["interval", "once", "each"] as const).filter((key) => when[key] !== null);
  if (given.length > 1) wrong(at, "it can have only one of 'interval', 'once', or 'each'");
  if (restarts === "unlimited" && when.each !== null)
    wrong(
      `${path}.restarts`,
      "it may not be unlimited with `each`: the number of processes would have no end",
    );
  const signals = when.sources.filter(isSignal);
  const event = when.once ?? when.each;
  if (signals.length > 0 && signals.length < when.sources.length)
    wrong(`${at}.source`, "a signal cannot stand beside other sources");
  if (when.interval !== null && when.sources.length > 0)
    warn(`${at}.source`, "it means nothing beside `interval`");
  const isOpen = when.interval === null && signals.length === 0;
  if (isOpen && when.sources.length > 0 && given.length === 0 && !when.isMisread)
    wrong(at, "it can never run: a source without `once` or `each`");
  if (isOpen && event !== null && when.sources.length === 0)
    wrong(`${at}.source`, `whose ${event}? Without a source it can never run`);
  for (const source of when.sources) {
    if (isOpen) pair({ source, event, view, job }, `${at}.source`, wrong);
    else if (!isSignal(source)) pair({ source, event: null, view, job }, `${at}.source`, wrong);
  }
  for (const [i, { source, event: needed }] of when.after.entries())
    pair({ source, event: needed, view, job }, `${at}.after[${i}]`, wrong);
  for (const name of job.stopAfter)
    if (!view.jobs.some((other) => other.name === name))
      wrong(
        `${path}.stopAfter`,
        `there is no job ${JSON.stringify(name)}${hint(name, jobNames(view))}`,
      );
  if (when.ifRunning && !when.sources.every((source) => view.jobs.some((j) => j.name === source)))
    wrong(`${at}.ifRunning`, "only a job's process can run");
}

type Pair = {
  readonly source: string;
  readonly event: string | null;
  readonly view: View;
  readonly job: JobView;
};

/** A source that is there, and an event that it can send. */
function pair({ source, event, view, job }: Pair, path: string, wrong: Say): void {
  const events = eventsOf(source, view);
  if (events === null) {
    const known = [
      ...jobNames(view),
      ...view.watches.map(({ id }) => `watch.${id}`),
      "global",
      ...SIGNALS,
    ];
    wrong(path, `there is no source ${JSON.stringify(source)}${hint(source, known)}`);
  } else if (event !== null && !events.includes(event)) {
    const why = events.length === 0 ? "nothing" : events.join(", ");
    wrong(path, `it can never run: ${source} never sends ${event}, but ${why}`);
  } else if (source === job.name && event !== "healthy" && event !== "unhealthy" && event !== null)
    wrong(path, `it can never run: it waits for itself`);
}

/** null: there is no such source. */
function eventsOf(source: string, view: View): readonly string[] | null {
  if (source === "global") return GLOBAL_EVENTS;
  if (isSignal(source)) return [];
  if (source.startsWith("watch."))
    return view.watches.some(({ id }) => `watch.${id}` === source) ? WATCH_EVENTS : null;
  const job = view.jobs.find(({ name }) => name === source);
  if (job !== undefined)
    return [
      ...(job.hasExec ? PROCESS_EVENTS : []),
      ...(job.health === null ? [] : HEALTH_EVENTS),
      ...LIFE_EVENTS,
      ...(job.when.hasTimeout ? ["timerExpired"] : []),
    ];
  const checked = view.jobs.find(({ name }) => `check.${name}` === source);
  return checked?.health?.kinds.includes("exec") === true ? PROCESS_EVENTS : null;
}

function jobNames({ jobs }: View): readonly string[] {
  return jobs.flatMap(({ name }) => (name === null ? [] : [name]));
}

function hint(word: string, known: readonly string[]): string {
  const meant = closest(word, known);
  return meant === null ? "" : `, did you mean ${meant}?`;
}

function command({ path, commands }: JobView, warn: Say): void {
  for (const { key, text } of commands) {
    if (/["'`]/.test(text))
      warn(
        `${path}.${key}`,
        "quotes are passed on as they are: there is no shell; give a list of arguments",
      );
    if (/ {2}| $/.test(text))
      warn(`${path}.${key}`, "a space at the end, or after another one, makes an empty argument");
  }
}

function metrics({ metrics: all, jobs }: View, wrong: Say): void {
  const seen = new Map<string, string>();
  for (const { fullName, path } of all) {
    if (!/^[a-zA-Z_:]/.test(fullName))
      wrong(`${path}.name`, `${JSON.stringify(fullName)} is no metric's name`);
    const first = seen.get(fullName);
    if (first !== undefined) wrong(`${path}.name`, `${first} is ${fullName} too`);
    else seen.set(fullName, path);
  }
  for (const { metric, path } of jobs)
    if (metric !== null && !seen.has(metric))
      wrong(
        `${path}.metric`,
        `there is no metric ${JSON.stringify(metric)}${hint(metric, [...seen.keys()])}`,
      );
}
