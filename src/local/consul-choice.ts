// Which store a local cluster speaks to: the embedded development agent, as a child of `up`, or a real Consul or etcd by
// URL.
import { join, resolve } from "node:path";
import { CLI } from "../cli-path.ts";
import { ConfigError, UnavailableError } from "../errors.ts";
import type { Log } from "../log.ts";
import { realClock as clock } from "../runtime/clock.ts";
import { makeSupervise, type Supervised } from "../runtime/supervisor.ts";
import { storeAt, type Store, type StoreConfig } from "../store.ts";
import type { Cluster } from "./cluster-file.ts";

// It answers within a quarter of a second; a machine that is very busy gets more.
const START_WITHIN_MS = 15_000;
const ASK_EVERY_MS = 100;
const AWAY_ASK_EVERY_MS = 500;
// When it is asked to end it waits for the last node to deregister.
const STOP_WITHIN_MS = 10_000;

/** How this machine reaches the cluster's store; tokens, users and TLS come from the standard variables. */
export function storeOf(cluster: Cluster, env: NodeJS.ProcessEnv): StoreConfig {
  return storeAt(cluster.consul.url, env);
}

/**
 * Starts the embedded agent where the cluster has one; resolves when Consul answers. A real one that is away is waited
 * for, and that is said; one that refuses us is a ConfigError AP_CONSUL_DENIED. Disposing ends the embedded agent.
 */
export async function startConsul(
  dir: string,
  cluster: Cluster,
  parts: Waiting,
): Promise<AsyncDisposable> {
  if (!cluster.consul.embedded) {
    await waitFor(parts);
    return { [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  let stopping = false;
  const agent = makeSupervise({ clock, log: parts.log })({
    name: "embedded Consul",
    onExit: ({ says }) => {
      // Nobody else would tell: the nodes go on by failsafe, and the next failure would find no Consul.
      const read = `read ${logFileOf(dir)}`;
      if (!stopping) parts.log.error(`the embedded Consul ended: ${says}; ${read}`);
    },
  });
  await startEmbedded(agent, { ...parts, dir, cluster });
  return {
    [Symbol.asyncDispose]: () => {
      stopping = true;
      return agent.stop({ termFirst: true, graceMs: STOP_WITHIN_MS });
    },
  };
}

/** Starts the embedded agent as `agent`; resolves when it answers, and ends it when it does not. */
export async function startEmbedded(
  agent: Supervised,
  parts: Waiting & { readonly dir: string; readonly cluster: Cluster },
): Promise<void> {
  const { dir, cluster } = parts;
  const logFile = logFileOf(dir);
  const started = await agent.start({
    argv: [process.execPath, CLI, "dev-agent", ...flagsOf(dir, cluster)],
    allEnv: true,
    whenOrphaned: "TERM",
    output: { file: logFile },
  });
  if (!started.ok) throw started.error;
  try {
    await answered(agent, parts, logFile);
  } catch (error) {
    await agent[Symbol.asyncDispose]();
    throw error;
  }
}

function logFileOf(dir: string): string {
  return join(dir, "consul.log");
}

type Waiting = {
  readonly log: Log;
  readonly consul: Pick<Store, "kv">;
  readonly signal: AbortSignal;
};

async function waitFor({ log, consul, signal }: Waiting): Promise<void> {
  let said = false;
  const away = (why: string): void => {
    if (!said) log.warn(`${why}; waiting for it`);
    said = true;
  };
  while (!(await tryOnce(consul, away))) await clock.sleep(AWAY_ASK_EVERY_MS, signal);
  if (said) log.info("Consul answers");
}

function portOf(cluster: Cluster): string {
  return new URL(cluster.consul.url).port;
}

function flagsOf(dir: string, cluster: Cluster): readonly string[] {
  const { dnsPort } = cluster.consul;
  const dns = dnsPort === undefined ? [] : ["--dns-port", String(dnsPort)];
  return ["--port", portOf(cluster), "--file", fileOf(dir), ...dns];
}

function fileOf(dir: string): string {
  return join(resolve(dir), "consul.kv");
}

async function answered(
  agent: Supervised,
  { consul, signal }: Waiting,
  logFile: string,
): Promise<void> {
  const deadline = clock.now() + START_WITHIN_MS;
  while (!(await tryOnce(consul, () => {}))) {
    signal.throwIfAborted();
    const { running, lastExit } = agent.facts();
    const why = running ? `no answer in ${START_WITHIN_MS / 1000} s` : (lastExit ?? "ended");
    if (!running || clock.now() > deadline)
      throw new UnavailableError("AP_CONSUL_UNREACHABLE", `embedded Consul: ${why}`, {
        hint: `read ${logFile}`,
      });
    await clock.sleep(ASK_EVERY_MS, signal);
  }
}

/** False: it does not answer. Errors: ConfigError AP_CONSUL_DENIED. */
async function tryOnce(consul: Pick<Store, "kv">, away: (why: string) => void): Promise<boolean> {
  try {
    await consul.kv.get("autopilot/");
    return true;
  } catch (error) {
    if (error instanceof ConfigError || !(error instanceof UnavailableError)) throw error;
    away(error.message);
    return false;
  }
}
