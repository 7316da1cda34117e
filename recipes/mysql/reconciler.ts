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
  const target = { host: "127.0.0.1", adminPort: adminPort({ config }), secrets };
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
  let last: Observation | null = null;
  let says = "starting";
  stack.use(startPulse({ memory, handle, clock, log, wake, last: () => last }));
  const rest = {
    agentPort: node.httpPort,
    pid: process.pid,
    controlSocket: node.controlSocket,
    since: new Date().toISOString(),
  };
  const disposables = stack.move();
  return {
    observe: async () => {
      last = await observe({ config, node, clock, handle, registry, memory });
      return last;
    },
    decide,
    execute: (action) => execute(hands, action),
    report: (o, actions): Report => {
      says = sentence(actions);
      recorder.note(recordOf(o, actions, { ...rest, ver: memory.flagVer }));
      return { says, role: roleOf(o), epoch: epochOf(o) };
    },
    idleMs,
    requestStop: () => {
      memory.stopping = true;
      memory.stoppingSince ??= clock.now();
      wake();
    },
    stopped: () => memory.stopped,
    fence: async (why) => {
      try {
        log.error("fencing", { why });
        mysqld.kill();
        await mysqld.exited();
      } catch (error) {
        // Fencing must not throw: if even SIGKILL fails, the end of this process takes mysqld along (PDEATHSIG).
        log.error("fence", { why: messageOf(error) });
      }
    },
    endpoint: (path, query) => endpoint(last, says, path, query),
    [Symbol.asyncDispose]: async () => {
      if (last !== null) {
        const o = await observe({ config, node, clock, handle, registry, memory });
        await recorder.last(recordOf(o, [{ do: "hold", why: "stopped" }], { ...rest, ver: memory.flagVer }), 1_000);
      }
      await disposables.disposeAsync();
    },
  };
}

function ended(memory: Memory, afterMs: number, { clock, wake }: RecipeContext<MysqlConfig>): void {
  forgetReplication(memory);
  memory.quickExits = afterMs < QUICK_EXIT_MS ? memory.quickExits + 1 : 0;
  // The first quick end is started again at once: most often it was we who killed it.
  const pause = memory.quickExits <= 1 ? 0 : Math.min(500 * 2 ** memory.quickExits, RESTART_LONGEST_MS);
  memory.restartAt = clock.now() + pause;
  wake();
}
