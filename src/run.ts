// The composition root of one node: configuration → adapters → runtime. The only place that wires real things together.
// Everything is ended in the reverse order of its start. A signal asks the recipe to stop in its own good order; an
// error of ours fences the node, writes the black box and ends the process with 70.
import { mkdirSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { loadRecipe, type AnyAction, type AnyRecipe } from "./config/load-recipe.ts";
import { resolveInChild, type Resolve, type Resolved } from "./config/resolve.ts";
import { ConfigError } from "./errors.ts";
import { findTool, type Tool } from "./local/toolchain.ts";
import { createLog, type RootLog } from "./log.ts";
import type { NodeIdentity, Reconciler } from "./recipe.ts";
import { makeAlarm, type Alarm } from "./runtime/alarm.ts";
import { makeBlackBox } from "./runtime/blackbox.ts";
import { makeBus, type Bus } from "./runtime/bus.ts";
import { realClock as clock } from "./runtime/clock.ts";
import { startControl } from "./runtime/control.ts";
import { guardAgainstBugs, type Guard } from "./runtime/guard.ts";
import { makeHooks } from "./runtime/hooks.ts";
import { startHttp } from "./runtime/http.ts";
import { Loop } from "./runtime/loop.ts";
import { listenForStop, type StopRequest } from "./runtime/stop-request.ts";
import { makeSupervise } from "./runtime/supervisor.ts";
import { rosterOf, type Roster } from "./runtime/roster.ts";
import {
  connectStore,
  consulStore,
  etcdStore,
  secretsOf,
  startStoreLease,
  type StoreConfig,
} from "./store.ts";

export type RunOptions = {
  readonly file: string;
  /** JSON lines also on a terminal. */
  readonly json: boolean;
  readonly env?: NodeJS.ProcessEnv;
  readonly loadRecipe?: typeof loadRecipe;
  readonly resolve?: Resolve;
};

type Loaded = Resolved & { readonly recipe: AnyRecipe };

/** Runs the node until it is asked to stop and has stopped. Returns the exit code. Errors: ConfigError, UnavailableError. */
export async function runNode(options: RunOptions): Promise<number> {
  const env = options.env ?? process.env;
  const resolved = await (options.resolve ?? resolveInChild)(options.file);
  const recipe = await (options.loadRecipe ?? loadRecipe)(resolved.config.recipe);
  const loaded = { ...resolved, recipe };
  const node = identityOf(loaded);
  const log = createLog({
    level: loaded.config.log.level,
    pretty: process.stdout.isTTY && !options.json,
    fields: { cluster: node.cluster, node: node.name },
  });
  makeDirectory(node.dir);
  const blackBox = makeBlackBox({
    dir: node.dir,
    clean: log.clean,
    failed: (why) => log.error(`the black box cannot be written: ${why}`),
  });
  using guard = guardAgainstBugs({ log, blackBox, clock });
  {
    using stop = listenForStop(log);
    await runUntilStopped({ loaded, node, log, env, guard, stop, blackBox });
  }
  log.info("stopped");
  return 0;
}

/** Asked to stop while it was still starting: that is the end that was asked for. */
async function runUntilStopped(parts: Parts): Promise<void> {
  const { signal } = parts.stop;
  try {
    await run(parts);
  } catch (error) {
    if (!(signal.aborted && error === signal.reason)) throw error;
  }
}

type Parts = {
  readonly loaded: Loaded;
  readonly node: NodeIdentity;
  readonly log: RootLog;
  readonly env: NodeJS.ProcessEnv;
  readonly guard: Guard;
  readonly stop: StopRequest;
  readonly blackBox: ReturnType<typeof makeBlackBox>;
};

async function run(parts: Parts): Promise<void> {
  const { loaded, node, log, guard, stop, blackBox } = parts;
  await using stack = new AsyncDisposableStack();
  const bus = makeBus();
  const { publish } = bus;
  const alarm = makeAlarm(clock);
  const roster = rosterOf(makeSupervise({ clock, log }));
  const live: Live = { loop: null, reconciler: null };
  await openDoors(parts, { live, roster, bus }, stack);
  const tools = await findTools(parts);
  const hooks = stack.use(makeHooks({ hooks: hookSpecs(loaded), log, clock, publish }));
  const { store, lease } = await joinStore(parts, alarm, stack);
  stop.signal.throwIfAborted();
  const reconciler = await loaded.recipe.start({
    config: loaded.section,
    node,
    clock,
    kv: store.kv,
    leaser: store.leaser,
    directory: store.directory,
    lease,
    log,
    supervise: roster.supervise,
    tools,
    wake: alarm.wake,
    announce: publish,
    hook: (name, env) => hooks.run(name, hookEnv(node, env)),
  });
  live.reconciler = stack.use(reconciler);
  guard.fenceWith(reconciler);
  stop.onRequest(() => {
    reconciler.requestStop();
    alarm.wake();
  });
  const loop = new Loop({ reconciler, alarm, clock, lease, log, blackBox, publish });
  live.loop = loop;
  flushCompileCache();
  await guard.run(() => loop.run());
}

/** What comes into being later than the doors that show it. */
type Live = {
  loop: Loop<unknown, AnyAction> | null;
  reconciler: Reconciler<unknown, AnyAction> | null;
};

/** The control socket first: a second agent of this node must end there, before it announces itself anywhere. */
async function openDoors(
  { loaded, node, stop }: Parts,
  { live, roster, bus }: { readonly live: Live; readonly roster: Roster; readonly bus: Bus },
  stack: AsyncDisposableStack,
): Promise<void> {
  const facts = () => live.loop?.facts() ?? { tick: 0, tickedAt: null, report: null };
  const status = () => ({ ...facts(), recipe: loaded.recipe.name, children: roster.running() });
  const { controlSocket: path, name } = node;
  stack.use(await startControl({ path, node: name, bus, clock, status, stop: stop.request }));
  const endpoint = (at: string, query: URLSearchParams) =>
    live.reconciler?.endpoint(at, query) ?? null;
  const { bind: host } = loaded.config.node;
  stack.use(await startHttp({ clock, host, port: node.httpPort, facts, endpoint }));
}

/** The lease goes on trying while the store is away; the loop says so and goes on when it comes. */
async function joinStore(parts: Parts, alarm: Alarm, stack: AsyncDisposableStack) {
  const { loaded, node, log } = parts;
  const config = storeConfig(loaded, parts.env);
  for (const secret of secretsOf(config)) log.redact(secret);
  const store = await connectStore(config);
  stack.defer(() => store.close());
  const service = loaded.recipe.service(loaded.section, node);
  const lease = stack.use(await startStoreLease(config, { service, onChange: alarm.wake }));
  return { store, lease };
}

function storeConfig({ config }: Loaded, env: NodeJS.ProcessEnv): StoreConfig {
  if (config.etcd !== undefined) return etcdStore(config.etcd, env);
  const { address, tokenFile } = config.consul;
  return consulStore({
    ...env,
    ...(address === undefined ? {} : { CONSUL_HTTP_ADDR: address }),
    ...(tokenFile === undefined ? {} : { CONSUL_HTTP_TOKEN_FILE: tokenFile }),
  });
}

async function findTools(parts: Parts): Promise<ReadonlyMap<string, Tool>> {
  const { loaded, log, env, stop } = parts;
  const progress = (line: string): void => log.info(line);
  const found = loaded.recipe.tools.map(async (spec) => {
    const tool = await findTool(spec, { env, progress, signal: stop.signal });
    return [spec.name, tool] as const;
  });
  return new Map(await Promise.all(found));
}

function identityOf({ config, controlSocket }: Loaded): NodeIdentity {
  const { name, cluster, dir, host, httpPort } = config.node;
  return { name, cluster, dir, host, httpPort, controlSocket };
}

function hookSpecs({ config }: Loaded) {
  const specs = Object.entries(config.hooks).map(
    ([name, { exec, timeout }]) => [name, { exec, timeoutMs: timeout }] as const,
  );
  return Object.fromEntries(specs);
}

function hookEnv(node: NodeIdentity, env: Readonly<Record<string, string>>) {
  return { AUTOPILOT_CLUSTER: node.cluster, AUTOPILOT_NODE: node.name, ...env };
}

function makeDirectory(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o750 });
  } catch (error) {
    throw new ConfigError("AP_DATADIR_UNWRITABLE", `node.dir ${dir}`, { cause: error });
  }
}
