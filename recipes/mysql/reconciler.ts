// One node of the MySQL recipe: wires registry, server, pulse and executors into the triple that the loop runs.
import type { RecipeContext, Reconciler, Report } from "../../src/index.ts";
import { messageOf } from "../../src/index.ts";
import type { MysqlConfig } from "./config.ts";
import type { Action } from "./core/action.ts";
import { decide } from "./core/decide.ts";
import type { Observation } from "./core/observation.ts";
import { epochOf, recordOf, roleOf, sentence } from "./core/report.ts";
import { endpoint } from "./endpoints.ts";
import { refreshDatadir } from "./execute/data.ts";
import { execute } from "./execute/execute.ts";
import type { Hands } from "./execute/hands.ts";
import { adminPort } from "./execute/server.ts";
import { Handle } from "./handle.ts";
import { keysOf } from "./keys.ts";
import { forgetReplication, freshMemory, type Memory } from "./memory.ts";
import { readDatadir } from "./mysqld/datadir.ts";
import { readPromise } from "./mysqld/promise.ts";
import { readSecrets } from "./mysqld/secrets.ts";
import { openMysqld } from "./mysqld/server.ts";
import { idleMs, observe } from "./observe.ts";
import { startPulse } from "./pulse.ts";
import { Recorder } from "./recorder.ts";
import { Registry } from "./registry.ts";

/** A server that ends sooner than this after its start is started again with a growing pause. */
const QUICK_EXIT_MS = 10_000;
const RESTART_LONGEST_MS = 30_000;
/** The record that says `stopped` saves the others a wait; without Consul it is not worth one of ours. */
const LAST_WORD_MS = 1_000;

export async function startReconciler(
  context: RecipeContext<MysqlConfig>,
): Promise<Reconciler<Observation, Action>> {
  await using stack = new AsyncDisposableStack();
  const { node, config, clock, log, wake, kv, lease } = context;
  const secrets = await readSecrets(config.secrets);
  for (const secret of Object.values(secrets)) log.redact(secret);
  const memory = freshMemory(await readDatadir(node.dir), await readPromise(node.dir));
  const keys = keysOf(node.cluster);
  const tool = context.tools.get("mysql");
  if (tool === undefined) throw new Error("run.ts gives every tool that the recipe names");
  const mysqld = stack.use(
    context.supervise({ name: "mysqld", onExit: (exit) => ended(memory, exit.afterMs, context) }),
  );
  const target = { host: "127.0.0.1", adminPort: adminPort({ config }), secrets } as const;
  const handle = stack.use(
    new Handle({ process: mysqld, clock, log, wake, connect: () => openMysqld(target) }),
  );
  const registry = stack.use(new Registry({ kv, clock, lease, keys, wake }));
  const recorder = stack.use(new Recorder({ kv, keys, clock, log }));
  const hands: Hands = {
    ...context,
    keys,
    registry,
    memory,
    handle,
    secrets,
    tool,
    spawn: context.supervise,
  };
  await refreshDatadir(hands);
  return triple(hands, { recorder, kill: () => mysqld.kill(), disposables: stack.move() });
}

type Rest = {
  readonly recorder: Recorder;
  readonly kill: () => void;
  readonly disposables: AsyncDisposableStack;
};

function triple(hands: Hands, rest: Rest): Reconciler<Observation, Action> {
  const { memory, node, clock, log, handle, wake } = hands;
  const { recorder, disposables } = rest;
  let last: Observation | null = null;
  let says = "starting";
  disposables.use(startPulse({ memory, handle, clock, log, wake, last: () => last }));
  const since = new Date().toISOString();
  const record = (o: Observation, actions: readonly Action[]) => {
    const { httpPort: agentPort, controlSocket } = node;
    const ver = memory.flagVer;
    return recordOf(o, actions, { agentPort, controlSocket, pid: process.pid, since, ver });
  };
  return {
    observe: async () => (last = await observe(hands)),
    decide,
    execute: (action) => execute(hands, action),
    report: (o, actions): Report => {
      says = sentence(actions);
      recorder.note(record(o, actions));
      return { says, role: roleOf(o), epoch: epochOf(o) };
    },
    idleMs,
    requestStop: () => {
      memory.stopping = true;
      memory.stoppingSince ??= clock.now();
      wake();
    },
    stopped: () => memory.stopped,
    fence: async (why) => fence(hands, rest.kill, why),
    endpoint: (path, query) => endpoint(last, says, path, query),
    [Symbol.asyncDispose]: async () => {
      if (last !== null) {
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

function ended(memory: Memory, afterMs: number, { clock, wake }: RecipeContext<MysqlConfig>): void {
  forgetReplication(memory);
  memory.quickExits = afterMs < QUICK_EXIT_MS ? memory.quickExits + 1 : 0;
  // The first quick end is started again at once: most often it was we who killed it.
  const pause =
    memory.quickExits <= 1 ? 0 : Math.min(500 * 2 ** memory.quickExits, RESTART_LONGEST_MS);
  memory.restartAt = clock.now() + pause;
  wake();
}
