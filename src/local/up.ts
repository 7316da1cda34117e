// `autopilot up`: a whole cluster as processes on this machine, and the parent of its agents for as long as it runs.
//
//   lock the directory → plan → (tools ∥ ports → Consul) → configurations → agents → ready → … → stop in reverse
//
// It decides nothing about the cluster: it starts agents, shows what they tell, and asks the recipe to stop them.
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { DEFAULT_RECIPE, loadRecipe, type AnyRecipe } from "../config/load-recipe.ts";
import { ConfigError, UnavailableError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { ClusterView, LocalNode } from "../recipe.ts";
import { connectStore, type Store } from "../store.ts";
import { makeAgents, type AgentExit, type Agents } from "./agents.ts";
import { localNodes, readCluster, writeCluster, type Cluster } from "./cluster-file.ts";
import { startConsul, storeOf } from "./consul-choice.ts";
import { lockDirectory } from "./lock.ts";
import { growth } from "./growth.ts";
import { writeNodeConfig } from "./node-config.ts";
import { NodeTable, whenReady } from "./observe-cluster.ts";
import { takeOrders } from "./orders.ts";
import { planCluster, storeBelow, type UpOptions } from "./plan.ts";
import { claimPorts } from "./ports.ts";
import type { Show } from "./show.ts";
import { controlSocketOf, upSocketOf } from "./socket-path.ts";
import { stopAll } from "./stop-all.ts";
import { findTool } from "./toolchain.ts";

export type UpParts = {
  readonly env: NodeJS.ProcessEnv;
  readonly show: Show;
  readonly log: Log;
  /** Aborts at the first wish to stop, and at the second. */
  readonly stop: AbortController;
  readonly hurry: AbortSignal;
};

// Fetching the toolchain is over by then; a restore of real data may take longer, so the cluster goes on.
const READY_WITHIN_MS = 120_000;

/** Runs until it is asked to stop and everything has ended. Returns the exit code. */
export async function up(options: UpOptions, parts: UpParts): Promise<number> {
  const dir = resolve(options.dir);
  makeDirectory(dir);
  using _lock = lockDirectory(dir);
  const existing = readCluster(dir);
  const recipe = await loadRecipe(existing?.recipe ?? options.recipe ?? DEFAULT_RECIPE);
  const planned = await planCluster(existing, { ...options, dir }, recipe.name);
  const cluster = { ...planned, upPid: process.pid };
  const nodes = localNodes(dir, cluster);
  const own = ownPorts(cluster);
  await claimPorts(nodes, own);
  // Of ours it is made; somebody else's has to be there.
  if (cluster.objects === storeBelow(dir)) makeDirectory(cluster.objects);
  writeCluster(dir, cluster);
  const consul = await connectStore(storeOf(cluster, parts.env));
  try {
    return await run({ ...parts, dir, cluster, nodes, recipe, consul });
  } catch (error) {
    // Asked to stop while it was still starting: that is the end that was asked for.
    if (error !== parts.stop.signal.reason) throw error;
    parts.show.stopped();
    return 0;
  } finally {
    consul.close();
  }
}

/** The embedded Consul's. */
function ownPorts({ consul: { embedded, url, dnsPort } }: Cluster): readonly number[] {
  if (!embedded) return [];
  return [Number(new URL(url).port), ...(dnsPort === undefined ? [] : [dnsPort])];
}

export type Running = UpParts & {
  readonly dir: string;
  readonly cluster: Cluster;
  readonly nodes: readonly LocalNode[];
  readonly recipe: AnyRecipe;
  readonly consul: Store;
};

async function run(parts: Running): Promise<number> {
  const { show, log, dir, cluster, nodes, recipe, consul, stop } = parts;
  const { signal } = stop;
  await using stack = new AsyncDisposableStack();
  const exits: AgentExit[] = [];
  const hopeless = new AbortController();
  await prepare(parts, stack);
  const agents = stack.use(
    makeAgents({
      log,
      onExit(exit) {
        exits.push(exit);
        tellExit(show, exit);
        table.ended(exit.node, exit.says);
        if (agents.running().length === 0 && noneCanRun(exits)) hopeless.abort();
      },
    }),
  );
  const table = new NodeTable(show, agents);
  const watching = new AbortController();
  stack.defer(() => watching.abort());
  const begin = async (node: LocalNode): Promise<void> => {
    await agents.start(node);
    table.follow(node, watching.signal);
  };
  const say = (line: string): void => show.progress(line);
  // However this ends, the agents are stopped in order, and Consul after them.
  stack.defer(() =>
    stopAll({ agents, recipe, consul, cluster: cluster.name, say, hurry: parts.hurry }),
  );
  const grow = growth({ ...parts, agents, begin });
  const onStop = (): void => stop.abort();
  stack.use(await takeOrders(upSocketOf(dir), { ...grow, stop: onStop }));
  for (const node of nodes) writeNodeConfig(dir, cluster, node, recipe);
  await recipe.beforeStart(consul.kv, cluster.name);
  signal.throwIfAborted();
  await Promise.all(nodes.map(begin));
  const over = AbortSignal.any([signal, hopeless.signal]);
  // From then on nodes may come and go as somebody wishes, and be none for a while.
  if (await tellWhenReady(parts, { agents, table, over })) exits.length = 0;
  await until(over);
  if (!signal.aborted) throw ended(exits);
  await stack.disposeAsync();
  show.stopped();
  return 0;
}

/** What the nodes need before they start, all at once: Consul, the programs, the shared secrets. */
async function prepare(parts: Running, stack: AsyncDisposableStack): Promise<void> {
  const { show, log, dir, cluster, recipe, consul, env, stop } = parts;
  const { signal } = stop;
  const progress = (line: string): void => show.progress(line);
  const starting = startConsul(dir, cluster, { log, consul, signal });
  const others = [
    ...recipe.tools.map((spec) => findTool(spec, { env, progress, signal })),
    recipe.prepareLocal(dir),
  ];
  const [started] = await Promise.allSettled([starting, ...others]);
  // Also when something else failed: then it has to be ended.
  if (started.status === "fulfilled") stack.use(started.value);
  await Promise.all([starting, ...others]);
}

/** False: asked to stop, or hopeless, before it was ready. */
async function tellWhenReady(
  { show, dir, cluster, recipe, consul }: Running,
  watched: { readonly agents: Agents; readonly table: NodeTable; readonly over: AbortSignal },
): Promise<boolean> {
  const { agents, table, over } = watched;
  const nodes = cluster.nodes.length;
  const late = setTimeout(() => {
    const why = `not ready after ${READY_WITHIN_MS / 1000} s: ${table.sentences()}`;
    show.warn(new UnavailableError("AP_UP_TIMEOUT", why));
  }, READY_WITHIN_MS);
  try {
    const view = await whenReady({ consul, recipe, cluster: cluster.name, nodes }, over);
    const told = readyNodes({ view, recipe, agents, cluster, dir });
    show.ready({ dir, consul: cluster.consul.url, nodes: told }, recipe.hints(view));
    return true;
  } catch (error) {
    if (!over.aborted) throw error;
    return false;
  } finally {
    clearTimeout(late);
  }
}

type Ready = Pick<Running, "recipe" | "cluster" | "dir"> & {
  readonly view: ClusterView;
  readonly agents: Agents;
};

function readyNodes({ view, recipe, agents, cluster, dir }: Ready) {
  return localNodes(dir, cluster).map((node) => {
    const seen = view.nodes.find((one) => one.name === node.name);
    return {
      name: node.name,
      host: seen?.host ?? node.host,
      port: seen?.port ?? node.basePort,
      pid: agents.pid(node.name),
      [`${recipe.serverName}Pid`]: seen?.serverPid ?? null,
      controlSocket: controlSocketOf(node.dir),
    };
  });
}

function tellExit(show: Show, { node, says, code, lastWords }: AgentExit): void {
  const what = `agent ended: ${says}${lastWords === "" ? "" : `; its last words: ${lastWords}`}`;
  const at = new Date().toISOString();
  show.event(node, { at, type: code === 0 ? "exit" : "setback", what, facts: { code } });
}

/** Agents that ended by a signal or in good order did so because somebody wished it; the others cannot run. */
function noneCanRun(exits: readonly AgentExit[]): boolean {
  return exits.length > 0 && exits.every(({ code }) => code !== null && code !== 0);
}

function ended(exits: readonly AgentExit[]): UnavailableError {
  const [first] = exits;
  const why = `no agent can run; ${first?.node}: ${first?.says}`;
  const hint = first === undefined || first.lastWords === "" ? {} : { hint: first.lastWords };
  return new UnavailableError("AP_NODE_ENDED", why, hint);
}

function until(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) return done();
    signal.addEventListener("abort", () => done(), { once: true });
  });
}

function makeDirectory(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o750 });
  } catch (error) {
    throw new ConfigError("AP_DATADIR_UNWRITABLE", `the directory ${dir}`, { cause: error });
  }
}
