// The composition root of the runner: a configuration → everything that lives by it, until everything has ended.
import type { RunnerConfig } from "../core/runner-config.ts";
import { messageOf } from "../errors.ts";
import { openCatalogue, type OpenCatalogue } from "./catalogue.ts";
import { makeDoors, type Doors } from "./doors.ts";
import { OWN_PID } from "./environment.ts";
import type { Image } from "./image.ts";
import { goLive, type Live } from "./live.ts";
import { createRunnerLog, type RunnerLog } from "./log.ts";
import { prepare, type Prepared } from "./prepared.ts";
import { makeReload } from "./reload.ts";
import { resolveRunner, type ResolveRequest } from "./resolve.ts";
import { listenForSignals } from "./signals.ts";

const OUR_BUG = 70;

const BARE =
  "running as PID 1 without an init: orphaned processes stay zombies; install tini, or use the container runtime's init";

/** Runs until everything has ended; returns the exit code. Errors: ConfigError, UnavailableError, before any job started. */
export async function runRunner(
  request: ResolveRequest,
  { env, isBareInit }: Image & { readonly env: NodeJS.ProcessEnv },
): Promise<number> {
  const signals = listenForSignals();
  const { config, warnings } = await resolveRunner(request, env);
  const prepared = prepare(config);
  const log = createRunnerLog(config.log);
  if (signals.isStopAsked()) return 0;
  for (const line of isBareInit ? [...warnings, BARE] : warnings) log.warn(line);
  log.debug(`loaded config: ${JSON.stringify(summary(config))}`);
  env[OWN_PID] = String(process.pid);
  const catalogue = holdCatalogue(await openCatalogue(config.catalogue, env));
  hideSecrets(catalogue.get(), log);
  const { live, doors, reload } = assemble({ request, prepared, catalogue, log, env });
  const bug = stopOnBug(live, log);
  try {
    await doors.fit(prepared);
    live.engine.send({ kind: "start" });
    doors.watch(prepared, catalogue.get());
    signals.obey({ live, log, reload });
    const code = await live.ended;
    return bug() ? OUR_BUG : code;
  } finally {
    live.close();
    await doors[Symbol.asyncDispose]();
    catalogue.get().close();
  }
}

type Held = { get(): OpenCatalogue; set(next: OpenCatalogue): void };

function holdCatalogue(first: OpenCatalogue): Held {
  let present = first;
  return {
    get: () => present,
    set(next) {
      present = next;
    },
  };
}

type Parts = {
  readonly request: ResolveRequest;
  readonly prepared: Prepared;
  readonly catalogue: Held;
  readonly log: RunnerLog;
  readonly env: NodeJS.ProcessEnv;
};

function assemble({ request, prepared, catalogue, log, env }: Parts) {
  const reload = makeReload({ request, env, log, live: () => live, doors: () => doors, catalogue });
  const doors: Doors = makeDoors({
    log,
    live: () => live,
    verbs: {
      putEnv: (values) => void Object.assign(env, values),
      putMetrics(values) {
        for (const [name, value] of Object.entries(values)) live.record(name, value);
      },
      async reload() {
        await reload();
        hideSecrets(catalogue.get(), log);
      },
      setMaintenance: (on) => live.engine.send({ kind: "maintenance", on }),
      asked: (path, code) => doors.metrics()?.controlRequest(path, code),
    },
  });
  const live: Live = goLive({
    prepared,
    catalogue: catalogue.get(),
    log,
    env,
    metrics: () => doors.metrics(),
  });
  return { live, doors, reload };
}

/** What we did wrong must not leave jobs without a parent: they are stopped in good order, and we say whose fault it was. */
function stopOnBug(live: Live, log: RunnerLog): () => boolean {
  let bug = false;
  const onBug = (error: unknown): void => {
    log.error(`a bug of autopilot: ${messageOf(error)}; stopping everything`);
    if (error instanceof Error && error.stack !== undefined) log.error(error.stack);
    // The machine itself is broken: nothing is left but to go, and the lifeline takes the jobs along.
    if (bug) process.exit(OUR_BUG);
    bug = true;
    live.engine.send({ kind: "stop" });
  };
  process.on("uncaughtException", onBug);
  process.on("unhandledRejection", onBug);
  return () => bug;
}

function hideSecrets({ secrets }: OpenCatalogue, log: RunnerLog): void {
  for (const secret of secrets) log.redact(secret);
}

function summary({ jobs, watches, control, telemetry }: RunnerConfig) {
  return {
    jobs: jobs.map(({ name }) => name),
    watches: watches.map(({ id }) => id),
    control: control?.socket ?? null,
    telemetry: telemetry?.port ?? null,
  };
}
