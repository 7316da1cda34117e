// One node of the MySQL recipe: wires registry, server, pulse and executors into the triple that the loop runs.
import { randomUUID } from "node:crypto";
import type { RecipeContext, Reconciler, Report, Supervise, Supervised } from "../../src/index.ts";
import { ConfigError, messageOf } from "../../src/index.ts";
import type { Backups } from "./backup/attach.ts";
import type { BackupFacts } from "./core/backup/summary.ts";
import type { BackupConfig } from "./backup/config.ts";
import type { MysqlConfig } from "./config.ts";
import type { Action } from "./core/action.ts";
import { decide } from "./core/decide.ts";
import type { Observation } from "./core/observation.ts";
import { epochOf, recordOf, roleOf, sentence } from "./core/report.ts";
import { endpoint } from "./endpoints.ts";
import { refreshDatadir } from "./execute/data.ts";
import { execute } from "./execute/execute.ts";
import type { Hands } from "./execute/hands.ts";
import { Handle } from "./handle.ts";
import { keysOf } from "./keys.ts";
import { forgetReplication, freshMemory, type Memory } from "./memory.ts";
import type { Maker } from "./machine.ts";
import type { Mysqld } from "./mysqld/port.ts";
import { readSecrets } from "./mysqld/secrets.ts";
import { openMysqld } from "./mysqld/server.ts";
import { idleMs, observe } from "./observe.ts";
import { startPulse } from "./pulse.ts";
import { adminPort, realDisk, realMaker, realPeers } from "./real-machine.ts";
import { Recorder } from "./recorder.ts";
import { serviceMeta } from "./view.ts";
import { Registry } from "./registry.ts";

/** A server that ends sooner than this after its start is started again with a growing pause. */
const QUICK_EXIT_MS = 10_000;
const RESTART_LONGEST_MS = 30_000;
/** The record that says `stopped` saves the others a wait; without Consul it is not worth one of ours. */
const LAST_WORD_MS = 1_000;

/** Everything that a node stands on, as ports: the real ones, or a simulated world's. */
export type NodeParts = Omit<Hands, "keys" | "registry" | "memory" | "handle" | "maker"> & {
  readonly supervise: Supervise;
  readonly connect: () => Promise<Mysqld>;
  readonly maker: (process: Supervised) => Maker;
  /** Backups, where they are configured; a simulated node has none. */
  readonly backups?: (hands: Hands, last: () => Observation | null) => Promise<Backups>;
};

export async function startReconciler(
  context: RecipeContext<MysqlConfig>,
): Promise<Reconciler<Observation, Action>> {
  const { node, config, clock, log } = context;
  if ([config.port, adminPort(config)].includes(node.httpPort)) {
    const problems = [`node.httpPort: ${node.httpPort} is a port of mysqld`];
    throw new ConfigError("AP_CONFIG_INVALID", "two servers on one port", { problems });
  }
  const secrets = await readSecrets(config.secrets);
  for (const secret of Object.values(secrets)) log.redact(secret);
  const tool = context.tools.get("mysql");
  if (tool === undefined) throw new Error("run.ts gives every tool that the recipe names");
  const target = { host: "127.0.0.1", adminPort: adminPort(config), secrets } as const;
  return assemble({
    ...context,
    connect: () => openMysqld(target),
    disk: realDisk({ dir: node.dir, tool, spawn: context.supervise, log }),
    maker: (process) =>
      realMaker({ config, node, tool, secrets, clock, spawn: context.supervise, process }),
    peers: realPeers(secrets),
    newUuid: randomUUID,
    ...(config.backup === undefined ? {} : { backups: backupsOf(config.backup, context) }),
  });
}

/** Loaded where they are configured: an agent without backups need not carry them. */
function backupsOf(config: BackupConfig, { supervise }: RecipeContext<MysqlConfig>) {
  return async (hands: Hands, last: () => Observation | null): Promise<Backups> => {
    const { attachBackups } = await import("./backup/attach.ts");
    return await attachBackups({ ...hands, supervise }, config, last);
  };
}

/** One node on the given ports. Errors: those of reading the disk. */
export async function assemble(parts: NodeParts): Promise<Reconciler<Observation, Action>> {
  await using stack = new AsyncDisposableStack();
  const { node, clock, log, wake, kv, lease, disk, connect } = parts;
  const { datadir, promise } = await disk.read();
  const memory = freshMemory(datadir, promise);
  const keys = keysOf(node.cluster);
  const process = stack.use(
    parts.supervise({ name: "mysqld", onExit: (exit) => ended(memory, exit.afterMs, parts) }),
  );
  const handle = stack.use(new Handle({ process, clock, log, wake, connect }));
  const registry = stack.use(new Registry({ kv, clock, lease, keys, wake }));
  const recorder = stack.use(new Recorder({ kv, keys, clock, log }));
  const hands: Hands = { ...parts, maker: parts.maker(process), keys, registry, memory, handle };
  await refreshDatadir(hands);
  const seen: Seen = { last: null };
  const backups = (await parts.backups?.(hands, () => seen.last)) ?? null;
  if (backups !== null) stack.use(backups);
  const kill = (): void => process.kill();
  return triple(hands, { recorder, backups, seen, kill, disposables: stack.move() });
}

/** The last observation, which the senses and the keeper of backups read as well. */
type Seen = { last: Observation | null };

type Rest = {
  readonly recorder: Recorder;
  readonly backups: Backups | null;
  readonly seen: Seen;
  readonly kill: () => void;
  readonly disposables: AsyncDisposableStack;
};

function triple(hands: Hands, rest: Rest): Reconciler<Observation, Action> {
  const { memory, node, clock, wake } = hands;
  const { recorder, disposables, seen } = rest;
  let says = "starting";
  disposables.use(startPulse({ ...hands, last: () => seen.last }));
  const since = new Date(clock.wall()).toISOString();
  const { pid } = process;
  const record = (o: Observation, actions: readonly Action[]) => {
    // What Consul remembers of this uuid must not be overwritten before it was compared (S29; found by simulation).
    if (memory.amnesiac === null) return null;
    const { httpPort: agentPort, controlSocket } = node;
    const ver = memory.flagVer;
    return recordOf(o, actions, { agentPort, controlSocket, pid, since, ver });
  };
  let announced = "";
  const announce = (o: Observation): void => {
    const role = roleOf(o);
    if (role === announced) return;
    announced = role;
    // §4 step 10: how applications find the primary and its replicas through Consul.
    hands.lease.announce({ tags: [node.cluster, role], meta: serviceMeta(node) });
  };
  return {
    observe: async () => (seen.last = await observe(hands)),
    decide,
    execute: (action) => execute(hands, action),
    report: (o, actions): Report => {
      says = sentence(actions);
      announce(o);
      recorder.note(record(o, actions));
      return { says, role: roleOf(o), epoch: epochOf(o) };
    },
    idleMs,
    requestStop: () => {
      memory.stopping = true;
      memory.stoppingSince ??= clock.now();
      void rest.backups?.stop();
      wake();
    },
    stopped: () => memory.stopped,
    fence: async (why) => fence(hands, rest.kill, why),
    endpoint: (path, query) => {
      const backups = (): BackupFacts | null => rest.backups?.facts() ?? null;
      return endpoint(seen.last, { now: clock.now(), says, backups }, path, query);
    },
    [Symbol.asyncDispose]: async () => {
      if (seen.last !== null) {
        const o = await observe(hands);
        await recorder.last(record(o, [{ do: "hold", why: "stopped" }]), LAST_WORD_MS);
      }
      await disposables.disposeAsync();
    },
  };
}

/** Never throws: if even SIGKILL fails, the end of this process takes mysqld along (PDEATHSIG). */
async function fence({ log, handle }: Hands, kill: () => void, why: string): Promise<void> {
  try {
    log.error("fencing", { why });
    kill();
    await handle.process().exited();
  } catch (error) {
    log.error("fence", { why: messageOf(error) });
  }
}

function ended(
  memory: Memory,
  afterMs: number,
  { clock, wake }: Pick<Hands, "clock" | "wake">,
): void {
  forgetReplication(memory);
  memory.quickExits = afterMs < QUICK_EXIT_MS ? memory.quickExits + 1 : 0;
  // The first quick end is started again at once: most often it was we who killed it.
  const pause =
    memory.quickExits <= 1 ? 0 : Math.min(500 * 2 ** memory.quickExits, RESTART_LONGEST_MS);
  memory.restartAt = clock.now() + pause;
  wake();
}
