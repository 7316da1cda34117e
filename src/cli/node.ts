// `autopilot node add|start|stop NAME`: the running `up` is the parent of the agents, so it starts them; stopping is a
// SIGTERM to the agent, which does the rest in good order.
import { UnavailableError, UsageError } from "../errors.ts";
import { ask } from "../local/ask.ts";
import { localNode, nodeDir } from "../local/cluster-file.ts";
import { isRunning } from "../local/process.ts";
import type { NodeStarted, UpFacts } from "../local/orders.ts";
import { controlSocketOf, upSocketOf } from "../local/socket-path.ts";
import { realClock as clock } from "../runtime/clock.ts";
import { findLocal, type Local } from "./find-cluster.ts";
import type { Globals } from "./program.ts";

// A primary first hands over, then its server shuts down.
const STOP_WITHIN_MS = 60_000;
const START_WITHIN_MS = 20_000;
const LOOK_EVERY_MS = 100;
const ORDER_WITHIN_MS = 10_000;

export async function nodeVerb(
  verb: "add" | "start" | "stop",
  name: string,
  globals: Globals,
): Promise<number> {
  const local = findLocal(globals);
  if (verb !== "add") knownNode(local, name);
  const done = verb === "stop" ? await stopNode(local, name) : await startNode(local, verb, name);
  const text = globals.json ? JSON.stringify(done) : sentence(verb, done);
  process.stdout.write(`${text}\n`);
  return 0;
}

/** Errors: UsageError AP_NODE_UNKNOWN. */
export function knownNode({ dir, cluster }: Local, name: string) {
  const node = localNode(dir, cluster, name);
  if (node !== null) return node;
  const names = cluster.nodes.map((one) => one.name).join(", ");
  throw new UsageError("AP_NODE_UNKNOWN", `no node ${name} in ${dir}; there are ${names}`);
}

/** Pid of a node's agent, or null when it does not run. Errors: UnavailableError AP_CLUSTER_NOT_FOUND. */
export async function agentPid(local: Local, name: string): Promise<number | null> {
  const facts = await askUp<UpFacts>(local, { path: "/v1/cluster" });
  return facts.nodes.find((node) => node.name === name)?.pid ?? null;
}

/** Asks the running `up`. Errors: UnavailableError AP_CLUSTER_NOT_FOUND; RefusedError AP_VERB_FAILED. */
export async function askUp<T>(
  { dir }: Local,
  question: { readonly method?: "POST"; readonly path: string; readonly body?: unknown },
): Promise<T> {
  try {
    return await ask<T>({ ...question, socket: upSocketOf(dir), timeoutMs: ORDER_WITHIN_MS });
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error;
    const why = `no \`autopilot up\` runs in ${dir}`;
    throw new UnavailableError("AP_CLUSTER_NOT_FOUND", why, { cause: error });
  }
}

type Done = { readonly node: string; readonly pid: number | null };

async function startNode(local: Local, verb: "add" | "start", name: string): Promise<Done> {
  const body = { name };
  const started = await askUp<NodeStarted>(local, { method: "POST", path: `/v1/${verb}`, body });
  await answers(local, started);
  return { node: started.name, pid: started.pid };
}

/** Waits until the agent answers on its control socket. */
async function answers({ dir }: Local, { name, pid }: NodeStarted): Promise<void> {
  const socket = controlSocketOf(nodeDir(dir, name));
  const deadline = clock.now() + START_WITHIN_MS;
  for (;;) {
    try {
      await ask({ socket, path: "/v1/ping", timeoutMs: 1_000 });
      return;
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      if (!isRunning(pid)) throw ended(name, dir, error);
      if (clock.now() > deadline) throw error;
      await clock.sleep(LOOK_EVERY_MS);
    }
  }
}

function ended(name: string, dir: string, cause: unknown): UnavailableError {
  return new UnavailableError("AP_NODE_ENDED", `the agent of ${name} ended at once`, {
    cause,
    hint: `read ${dir}/nodes/${name}/agent.log`,
  });
}

async function stopNode(local: Local, name: string): Promise<Done> {
  const pid = await agentPid(local, name);
  if (pid === null) return { node: name, pid: null };
  process.kill(pid, "SIGTERM");
  const deadline = clock.now() + STOP_WITHIN_MS;
  while (isRunning(pid)) {
    if (clock.now() > deadline) {
      const why = `${name} (pid ${pid}) did not stop within ${STOP_WITHIN_MS / 1000} s`;
      throw new UnavailableError("AP_OUTCOME_TIMEOUT", why);
    }
    await clock.sleep(LOOK_EVERY_MS);
  }
  return { node: name, pid };
}

function sentence(verb: "add" | "start" | "stop", { node, pid }: Done): string {
  if (verb === "stop") return pid === null ? `${node} does not run` : `${node} stopped`;
  return `${node} ${verb === "add" ? "added" : "started"} (agent pid ${pid})`;
}
