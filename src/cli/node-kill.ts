// `autopilot node kill NAME`: a fault, on purpose. The signal goes to the agent and to its server, unless --only says
// which; then it waits until a deadly one has taken effect.
import { constants } from "node:os";
import { UnavailableError, UsageError } from "../errors.ts";
import { ask } from "../local/ask.ts";
import { storeOf } from "../local/consul-choice.ts";
import { isRunning, processFacts } from "../local/process.ts";
import { controlSocketOf } from "../local/socket-path.ts";
import { loadRecipe, type AnyRecipe } from "../config/load-recipe.ts";
import { connectStore } from "../store.ts";
import { realClock as clock } from "../runtime/clock.ts";
import { findLocal, type Local } from "./find-cluster.ts";
import { agentPid, knownNode } from "./node.ts";
import type { Globals } from "./program.ts";

type Options = Globals & { readonly signal: string; readonly only?: string };

const GONE_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 20;

export async function killNode(name: string, options: Options): Promise<number> {
  const local = findLocal(options);
  const node = knownNode(local, name);
  const recipe = await loadRecipe(local.cluster.recipe);
  const signal = signalNamed(options.signal);
  const only = options.only ?? "both";
  if (!["both", "agent", recipe.serverName].includes(only))
    throw new UsageError("AP_USAGE", `--only: expected agent or ${recipe.serverName}`);
  const agent = await agentPid(local, name);
  const server = only === "agent" ? null : await serverPid({ local, name, recipe, agent });
  // Both were looked up before: an agent that is gone can no longer tell of its server, nor one that is stopped.
  const sent = { agent: only === recipe.serverName ? null : agent, server };
  const victims = [sent.agent, sent.server].filter((pid) => pid !== null);
  if (victims.length === 0)
    throw new UnavailableError("AP_CONTROL_UNREACHABLE", `${node.name} does not run`);
  for (const pid of victims) send(pid, signal);
  if (signal === "SIGKILL") await gone(victims);
  const { serverName } = recipe;
  const done = { node: name, signal, pid: sent.agent, [`${serverName}Pid`]: sent.server };
  process.stdout.write(
    `${options.json ? JSON.stringify(done) : sentence(name, signal, victims)}\n`,
  );
  return 0;
}

type Question = {
  readonly local: Local;
  readonly name: string;
  readonly recipe: AnyRecipe;
  readonly agent: number | null;
};

/** From the agent, which is its parent; from Consul where the agent does not answer (it may be stopped by a signal). */
async function serverPid({ local, name, recipe, agent }: Question): Promise<number | null> {
  if (agent === null) return null;
  const told = (await fromAgent(local, name, recipe)) ?? (await fromConsul(local, name, recipe));
  // What Consul has may be old, and pids are used again: only a child of this agent is meant.
  if (told === null || (processFacts(told)?.parent ?? agent) !== agent) return null;
  return told;
}

async function fromAgent(local: Local, name: string, recipe: AnyRecipe): Promise<number | null> {
  type Status = { readonly children: readonly { readonly name: string; readonly pid: number }[] };
  const socket = controlSocketOf(knownNode(local, name).dir);
  try {
    const { children } = await ask<Status>({ socket, path: "/v1/status", timeoutMs: 1_000 });
    return children.find((child) => child.name === recipe.serverName)?.pid ?? null;
  } catch (error) {
    if (error instanceof UnavailableError) return null;
    throw error;
  }
}

async function fromConsul(
  { cluster }: Local,
  name: string,
  recipe: AnyRecipe,
): Promise<number | null> {
  const consul = await connectStore(storeOf(cluster, process.env));
  try {
    const view = await recipe.view(consul, cluster.name, { nodes: cluster.nodes.length });
    return view.nodes.find((node) => node.name === name)?.serverPid ?? null;
  } finally {
    consul.close();
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // Gone between the look and the signal: the agent's end takes the server along.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

async function gone(pids: readonly number[]): Promise<void> {
  const deadline = clock.now() + GONE_WITHIN_MS;
  while (pids.some(isRunning)) {
    if (clock.now() > deadline)
      throw new UnavailableError(
        "AP_OUTCOME_TIMEOUT",
        `pid ${pids.filter(isRunning).join(", ")} still runs`,
      );
    await clock.sleep(LOOK_EVERY_MS);
  }
}

/** "kill", "KILL" and "SIGKILL" are one. Errors: UsageError. */
function signalNamed(text: string): NodeJS.Signals {
  const name = `SIG${text.toUpperCase().replace(/^SIG/, "")}`;
  if (name in constants.signals) return name as NodeJS.Signals;
  throw new UsageError("AP_USAGE", `--signal: there is no signal ${text}`);
}

function sentence(name: string, signal: string, pids: readonly number[]): string {
  return `${name}: ${signal} sent to pid ${pids.join(" and ")}`;
}
