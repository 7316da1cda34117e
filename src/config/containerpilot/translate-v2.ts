// ContainerPilot v2 and Containerbuddy → v3. The main command becomes a job whose end ends everything; hooks become jobs
// that start on its events; services become jobs that only register and check, as they did there. What v3 has no word for
// is said in our own keys, so that nothing behaves otherwise; what is lost all the same is a warning.
import { problemsOf } from "../problems.ts";
import { shapeOf } from "../shape.ts";
import type { Tree } from "./read.ts";
import { V2, type ParsedV2 } from "./schema-v2.ts";
import { metricName } from "./view.ts";

const SHAPE = shapeOf(V2);

type Written = Record<string, unknown>;

export type Translation = {
  readonly tree: Tree;
  readonly warnings: readonly string[];
  /** With paths of the old file; then there is no translation. */
  readonly problems: readonly string[];
};

/** What the parts of a translation share. */
type Context = {
  readonly old: ParsedV2;
  /** The name of the main command's job, or null without a command. */
  readonly main: string | null;
  /** What waits for preStart: nothing else starts before it has succeeded. */
  readonly after: Written;
  readonly warn: (line: string) => void;
};

export function translateV2(
  dialect: "v1" | "v2",
  written: Tree,
  command: readonly string[],
): Translation {
  const parsed = V2.safeParse(written);
  if (!parsed.success) {
    const problems = problemsOf(parsed.error, SHAPE, () => null);
    return { tree: {}, warnings: [], problems };
  }
  const old = parsed.data;
  if (old.onStart !== undefined && old.preStart !== undefined) {
    const problems = ["onStart: it is the old name of preStart, which is there too"];
    return { tree: {}, warnings: [], problems };
  }
  const warnings: string[] = [];
  const warn = (line: string): void => void warnings.push(line);
  const hasPreStart = (old.preStart ?? old.onStart) !== undefined;
  const after = hasPreStart ? { after: [{ source: "preStart", event: "exitSuccess" }] } : {};
  const main = command.length === 0 ? null : mainName(old, warn);
  const context = { old, main, after, warn };
  const tree = {
    ...catalogueOf(dialect, old),
    ...(old.logging === undefined ? {} : { logging: old.logging }),
    ...(old.stopTimeout === undefined ? {} : { stopTimeout: old.stopTimeout }),
    // There was none: verbs came by signal.
    control: { socket: "" },
    signals: { SIGHUP: "reload", SIGUSR1: "maintenance" },
    exitCode: "last-failed",
    jobs: [
      ...hooksBefore(context),
      ...mainJob(context, command),
      ...old.coprocesses.map((one, i) => coprocessJob(one, i, context)),
      ...old.services.map((one) => serviceJob(one, context)),
      ...old.backends.map((one) => backendJob(one, context)),
      ...old.tasks.map((one, i) => taskJob(one, i, context)),
      ...sensorJobs(context),
      ...hooksAfter(context),
    ],
    watches: old.backends.map(({ name, poll, tag }) => ({
      name,
      interval: poll,
      ...given({ tag }),
    })),
    ...telemetryOf(old),
  };
  return { tree, warnings, problems: [] };
}

/** CONTAINERPILOT_APP_PID was the main command's: its job is called so, unless a service is. */
function mainName({ services }: ParsedV2, warn: Context["warn"]): string {
  const taken = new Set(services.map(({ name }) => name));
  const name = ["app", "main", "main-command"].find((one) => !taken.has(one)) ?? "the-main-command";
  if (name !== "app")
    warn(
      `services: one is called "app": the command's job is called "${name}", and its pid CONTAINERPILOT_${name.toUpperCase().replaceAll("-", "_")}_PID`,
    );
  return name;
}

function catalogueOf(dialect: "v1" | "v2", { consul, etcd }: ParsedV2): Written {
  const prefix = dialect === "v1" ? "/containerbuddy" : "/containerpilot";
  return {
    ...given({ consul }),
    ...(etcd === undefined ? {} : { etcd: { prefix, ...given(etcd) } }),
  };
}

function hooksBefore({ old }: Context): readonly Written[] {
  const exec = old.preStart ?? old.onStart;
  if (exec === undefined) return [];
  // Its failure ends the container, with its code.
  return [{ name: "preStart", exec, exit: { onFailure: "shutdown" } }];
}

function mainJob({ main, after }: Context, command: readonly string[]): readonly Written[] {
  if (main === null) return [];
  const exit = { onSuccess: "shutdown", onFailure: "shutdown" };
  // Its output was not touched.
  return [{ name: main, exec: command, ...startup(after), logging: { raw: true }, exit }];
}

/** Beside the main command: their ends and codes mean nothing for the container. */
const BESIDE = { exit: { code: "ignored" } };

function hooksAfter({ old, main, warn }: Context): readonly Written[] {
  const jobs: Written[] = [];
  if (old.preStop !== undefined) {
    const when =
      main === null
        ? { source: "global", once: "shutdown" }
        : // Only a stop that was asked for called it: not a crash.
          { source: main, once: "stopping", ifRunning: true };
    jobs.push({ name: "preStop", exec: old.preStop, when, ...BESIDE });
  }
  if (old.postStop !== undefined && main === null)
    warn("postStop: there is no command whose end it could follow; it never runs");
  else if (old.postStop !== undefined)
    jobs.push({ name: "postStop", exec: old.postStop, when: { source: main, once: "stopped" } });
  return jobs;
}

function coprocessJob(
  { name, command, restarts }: ParsedV2["coprocesses"][number],
  index: number,
  { main, after }: Context,
): Written {
  return {
    name: name ?? `coprocess-${index + 1}`,
    exec: command,
    ...startup(after),
    ...given({ restarts }),
    // They were left running while the main command stopped.
    ...(main === null ? {} : { stopAfter: [main] }),
    ...BESIDE,
  };
}

function serviceJob(service: ParsedV2["services"][number], { after }: Context): Written {
  const { name, port, interfaces, tags, consul, poll, ttl, health, timeout } = service;
  return {
    name,
    port,
    ...given({ interfaces, tags, consul }),
    ...startup(after),
    health: {
      ...(health === undefined ? {} : { exec: health }),
      interval: poll,
      ttl,
      // Without a limit a check could hang for ever; beyond the TTL it has failed in either case.
      timeout: timeout === undefined ? `${ttl}s` : milliseconds(timeout),
    },
  };
}

function backendJob(
  { name, onChange, timeout }: ParsedV2["backends"][number],
  { after }: Context,
): Written {
  return {
    name: `onChange-${name}`,
    exec: onChange,
    when: { source: `watch.${name}`, each: "changed", ...after },
    ...(timeout === undefined ? {} : { timeout: milliseconds(timeout) }),
    ...BESIDE,
  };
}

function taskJob(
  { name, command, frequency, timeout }: ParsedV2["tasks"][number],
  index: number,
  { after }: Context,
): Written {
  return {
    name: name ?? `task-${index + 1}`,
    exec: command,
    when: periodic(milliseconds(frequency), after),
    ...(timeout === undefined ? {} : { timeout: milliseconds(timeout) }),
    ...BESIDE,
  };
}

function sensorJobs({ old, after }: Context): readonly Written[] {
  return (old.telemetry?.sensors ?? []).map((sensor) => ({
    name: `sensor-${metricName(sensor)}`,
    exec: sensor.check,
    when: periodic(`${sensor.poll}s`, after),
    ...(sensor.timeout === undefined ? {} : { timeout: milliseconds(sensor.timeout) }),
    metric: metricName(sensor),
    ...BESIDE,
  }));
}

/** v2 waited for one interval before the first run, and did not queue. */
function periodic(interval: string, after: Written): Written {
  return { interval, first: "after-interval", overlap: "skip", ...after };
}

function telemetryOf({ telemetry }: ParsedV2): Written {
  if (telemetry === undefined) return {};
  const { port, interfaces, tags, sensors } = telemetry;
  const metrics = sensors.map(({ namespace, subsystem, name, help, type }) => ({
    ...given({ namespace, subsystem }),
    name,
    help,
    type,
  }));
  return { telemetry: { ...given({ port, interfaces, tags }), metrics } };
}

function startup(after: Written): Written {
  return "after" in after ? { when: { source: "preStart", once: "exitSuccess" } } : {};
}

function milliseconds(ms: number): string {
  return `${ms}ms`;
}

/** Without the keys that are not there. */
function given(tree: Readonly<Record<string, unknown>>): Written {
  return Object.fromEntries(Object.entries(tree).filter(([, value]) => value !== undefined));
}
