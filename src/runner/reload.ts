// Reloading: everything that can be wrong is found before anything is touched, so that a broken configuration changes
// nothing. Whoever asks while one is under way shares the next: two hundred at once are two.
import { isDeepEqual } from "../core/runner/deep-equal.ts";
import { RefusedError } from "../errors.ts";
import { openCatalogue, type OpenCatalogue } from "./catalogue.ts";
import type { Doors } from "./doors.ts";
import type { Live } from "./live.ts";
import type { RunnerLog } from "./log.ts";
import { prepare } from "./prepared.ts";
import { resolveRunner, type ResolveRequest } from "./resolve.ts";

export type ReloadParts = {
  readonly request: ResolveRequest;
  readonly env: NodeJS.ProcessEnv;
  readonly log: RunnerLog;
  readonly live: () => Live;
  readonly doors: () => Doors;
  readonly catalogue: { get(): OpenCatalogue; set(next: OpenCatalogue): void };
};

/** Errors: the configuration's own, and the doors'. */
export function makeReload(parts: ReloadParts): () => Promise<void> {
  let present: Promise<void> | null = null;
  let next: Promise<void> | null = null;

  async function run(): Promise<void> {
    try {
      await reloadOnce(parts);
    } finally {
      present = null;
    }
  }

  async function afterPresent(): Promise<void> {
    // However that one ends: this is another try, with another file perhaps.
    await present?.catch(() => undefined);
    next = null;
    present = run();
    return present;
  }

  return () => {
    if (present === null && next === null) return (present = run());
    return (next ??= afterPresent());
  };
}

async function reloadOnce({ request, env, log, ...parts }: ReloadParts): Promise<void> {
  const { config, warnings } = await resolveRunner(request, env);
  const prepared = prepare(config);
  const live = parts.live();
  const doors = parts.doors();
  const old = parts.catalogue.get();
  const isSame = isDeepEqual(live.prepared().config.catalogue, config.catalogue);
  const catalogue = isSame ? old : await openCatalogue(config.catalogue, env);
  if (live.engine.state().shuttingDown)
    throw new RefusedError("AP_RUNNER_STOPPING", "the runner is being stopped");
  const before = live.prepared();
  log.configure(config.log);
  try {
    await doors.fit(prepared);
  } catch (error) {
    log.configure(before.config.log);
    await doors.fit(before);
    if (!isSame) catalogue.close();
    throw error;
  }
  for (const line of warnings) log.warn(line);
  live.use(prepared);
  if (!isSame) {
    await live.registrar.moveTo(catalogue.directory);
    parts.catalogue.set(catalogue);
  }
  live.engine.send({ kind: "reload", config: prepared.machine });
  doors.watch(prepared, catalogue);
  if (!isSame) old.close();
  log.info("control: reloaded app via control plane");
}
