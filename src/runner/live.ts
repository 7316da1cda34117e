// A runner that runs: the state machine, and the hands that do what it decides.
import { hostname } from "node:os";
import type { RunEnd } from "../core/runner/event.ts";
import { statusOf } from "../core/runner/job.ts";
import type { Job } from "../core/runner-config.ts";
import { messageOf } from "../errors.ts";
import { realClock as clock } from "../runtime/clock.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Status } from "../telemetry/server.ts";
import { VERSION } from "../version.ts";
import type { OpenCatalogue } from "./catalogue.ts";
import { makeChecker, type Checker } from "./checks.ts";
import { makeEngine, type Effect, type Engine } from "./engine.ts";
import { addressVariable, causeEnv, type Seen } from "./environment.ts";
import type { RunnerLog } from "./log.ts";
import type { Prepared } from "./prepared.ts";
import { makeProcesses, type Processes } from "./processes.ts";
import { makeRegistrar, type Registrar } from "./registrar.ts";

export type LiveParts = {
  readonly prepared: Prepared;
  readonly catalogue: OpenCatalogue;
  readonly log: RunnerLog;
  readonly env: NodeJS.ProcessEnv;
  readonly metrics: () => Metrics | null;
};

export type Live = {
  readonly engine: Engine;
  readonly registrar: Registrar;
  /** Resolves with the exit code when everything has ended. */
  readonly ended: Promise<number>;
  /** The configuration that holds now; its addresses are in the environment. */
  use(prepared: Prepared): void;
  prepared(): Prepared;
  /** What a watch saw, for whoever starts on it. */
  saw(change: { readonly id: string; readonly first: boolean; readonly seen: Seen }): void;
  /** The number of a metric, from a job or the control socket. Errors: what cannot be recorded. */
  record(name: string, value: number): void;
  status(): Status;
  /** Nothing of ours is left. */
  close(): void;
};

export function goLive(parts: LiveParts): Live {
  const { log, env, metrics } = parts;
  let { prepared } = parts;
  const seen = new Map<string, Seen>();
  const end = Promise.withResolvers<number>();
  const processes = makeProcesses({ clock, log, env, onExit });
  const recorder = makeRecorder(log, metrics);
  const check = makeChecker(log);
  const checkOnce = checkingWith(check, log, (job, ok) =>
    engine.send({ kind: "checked", job, ok }),
  );
  const engine = makeEngine(prepared.machine, (action) =>
    perform(action, { ...parts, processes, registrar, checkOnce, seen, end: end.resolve }),
  );
  const registrar = makeRegistrar({
    directory: parts.catalogue.directory,
    hostname: hostname(),
    addressOf: (job) => prepared.addresses.get(job) ?? "",
    clock,
    log,
    onWithdrawn: (job) => engine.send({ kind: "withdrawn", job }),
  });

  function onExit(job: Job, how: RunEnd, printed: string | null): void {
    if (printed !== null && how.code === 0) recorder.printed(job, printed);
    engine.send({ kind: "exited", job: job.name, end: how });
  }

  function use(next: Prepared): void {
    prepared = next;
    for (const [name, address] of next.addresses) env[addressVariable(name)] = address;
  }

  use(prepared);
  return {
    engine,
    registrar,
    ended: end.promise,
    use,
    prepared: () => prepared,
    saw({ id, first, seen: now }) {
      seen.set(id, now);
      metrics()?.watchInstances(id, now.all.length);
      engine.send({ kind: "watch", id, first, any: now.all.length > 0 });
    },
    record: recorder.record,
    status: () => printStatus(engine, prepared),
    close() {
      engine.close();
      check.killAll();
      processes.sweep();
    },
  };
}

type Hands = Pick<LiveParts, "log" | "metrics"> & {
  readonly processes: Processes;
  readonly registrar: Registrar;
  readonly checkOnce: (job: Job) => Promise<void>;
  readonly seen: ReadonlyMap<string, Seen>;
  readonly end: (code: number) => void;
};

function perform(action: Effect, hands: Hands): void {
  const { processes, registrar, log } = hands;
  switch (action.do) {
    case "spawn": {
      const { job, cause } = action;
      const [, watch] = /^watch\.(.*)$/.exec(cause?.source ?? "") ?? [];
      const seen = watch === undefined ? null : (hands.seen.get(watch) ?? null);
      return processes.start(job, causeEnv(cause, seen));
    }
    case "signal":
      return processes.signal(action.job, action.signal);
    case "check":
      return void hands.checkOnce(action.job);
    case "advertise":
      return registrar.advertise(action.job, action.status);
    case "withdraw":
      return registrar.withdraw(action.job);
    case "tell":
      log.debug(`event: {${action.event.event}, ${action.event.source}}`);
      return hands.metrics()?.event(action.event.source, action.event.event);
    case "note":
      return log[action.level](action.text, { job: action.job });
    case "exit":
      return hands.end(action.code);
  }
}

/** The reason of a failure is told when it changes, not with every check. */
function checkingWith(
  check: Checker,
  log: RunnerLog,
  done: (job: string, ok: boolean) => void,
): (job: Job) => Promise<void> {
  const told = new Map<string, string>();
  return async (job) => {
    const { name } = job;
    const why = await check(job);
    if (why === null) told.delete(name);
    else if (told.get(name) !== why) log.warn(`check failed: ${why}`, { job: name });
    if (why !== null) told.set(name, why);
    done(name, why === null);
  };
}

function makeRecorder(log: RunnerLog, metrics: () => Metrics | null) {
  const record = (name: string, value: number): void => {
    if (metrics()?.record(name, value) !== true) log.warn(`metric ${name}: there is none`);
  };
  return {
    record,
    /** What a job with a metric has printed is one number. */
    printed({ name: job, metric }: Job, printed: string): void {
      if (metric === null) return;
      const value = printed.trim() === "" ? NaN : Number(printed);
      try {
        if (Number.isFinite(value)) record(metric, value);
        else log.warn(`metric ${metric}: what it printed is no number`, { job });
      } catch (error) {
        log.warn(`metric ${metric}: ${messageOf(error)}`, { job });
      }
    },
  };
}

/** In ContainerPilot's shape: jobs with a port are services. */
function printStatus(engine: Engine, { config, addresses }: Prepared): Status {
  const { jobs, maintenance } = engine.state();
  const all = [...jobs.values()].map((state) => ({ state, Status: statusOf(state, maintenance) }));
  const plain = all
    .filter(({ state }) => state.job.service === null)
    .map(({ state, Status }) => ({ Name: state.job.name, Status }));
  const services = all.flatMap(({ state, Status }) => {
    const { name, service } = state.job;
    if (service === null) return [];
    return [{ Name: name, Address: addresses.get(name) ?? "", Port: service.port, Status }];
  });
  const watches = config.watches.map(({ id }) => id);
  return {
    Version: VERSION,
    Jobs: plain.length === 0 ? null : plain,
    Services: services,
    Watches: watches.length === 0 ? null : watches,
  };
}
