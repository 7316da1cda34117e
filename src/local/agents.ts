// The agents of a local cluster as children of `up`: spawned, signalled, waited for, never restarted by themselves.
// Each has a session of its own, so that the terminal's Ctrl-C reaches `up` alone; when `up` dies they get SIGTERM and
// stop in good order by themselves.
import { existsSync, readFileSync } from "node:fs";
import type { Log } from "../log.ts";
import type { LocalNode } from "../recipe.ts";
import { CLI } from "../cli-path.ts";
import { SMALL_HEAP, smallHeapEnv } from "../small-heap.ts";
import { realClock } from "../runtime/clock.ts";
import { makeSupervise, type ChildExit, type Supervised } from "../runtime/supervisor.ts";
import { configFileOf, logFileOf } from "./node-config.ts";

export type AgentExit = ChildExit & {
  readonly node: string;
  /** What it said last, where it did not end well; "" otherwise. */
  readonly lastWords: string;
};

export type Agents = AsyncDisposable & {
  /** Errors: UnavailableError AP_SPAWN_FAILED. InvariantError when it runs. */
  start(node: LocalNode): Promise<void>;
  /** Pid of a running agent, or null. */
  pid(name: string): number | null;
  /** SIGTERM or SIGKILL to all that run. */
  signalAll(signal: "SIGTERM" | "SIGKILL"): void;
  /** Names of the agents that run. */
  running(): readonly string[];
  /** Resolves when none runs, with what each one's end was; rejects with the signal's reason. */
  allEnded(signal: AbortSignal): Promise<readonly AgentExit[]>;
};

export function makeAgents(parts: {
  readonly log: Log;
  readonly onExit: (exit: AgentExit) => void;
}): Agents {
  const supervise = makeSupervise({ clock: realClock, log: parts.log });
  const handles = new Map<string, Supervised>();
  const exits = new Map<string, AgentExit>();

  function handleOf(node: LocalNode): Supervised {
    const known = handles.get(node.name);
    if (known !== undefined) return known;
    const handle = supervise({
      name: node.name,
      onExit(exit) {
        const lastWords = exit.code === 0 ? "" : lastLine(logFileOf(node));
        const told = { ...exit, node: node.name, lastWords };
        exits.set(node.name, told);
        parts.onExit(told);
      },
    });
    handles.set(node.name, handle);
    return handle;
  }

  const running = (): readonly string[] =>
    [...handles].filter(([, handle]) => handle.facts().running).map(([name]) => name);

  return {
    running,
    async start(node) {
      const started = await handleOf(node).start({
        argv: [process.execPath, ...SMALL_HEAP, CLI, "run", "--json", "-c", configFileOf(node)],
        env: smallHeapEnv(process.env),
        allEnv: true,
        whenOrphaned: "TERM",
        output: { file: logFileOf(node) },
      });
      if (!started.ok) throw started.error;
      exits.delete(node.name);
    },
    pid: (name) => handles.get(name)?.facts().pid ?? null,
    signalAll(signal) {
      for (const handle of handles.values()) {
        const { pid } = handle.facts();
        // Our own child, not yet collected: the number is still its own.
        if (pid !== null) process.kill(pid, signal);
      }
    },
    async allEnded(signal) {
      while (running().length > 0) {
        const ends = [...handles.values()].map((handle) => handle.exited());
        await Promise.race([Promise.all(ends), aborted(signal)]);
      }
      return [...exits.values()];
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...handles.values()].map((handle) => handle[Symbol.asyncDispose]()));
    },
  };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const end = (): void => reject(signal.reason as Error);
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  });
}

/** The last line of a log, or "". */
function lastLine(path: string): string {
  if (!existsSync(path)) return "";
  return readFileSync(path, "utf8").trimEnd().split("\n").at(-1) ?? "";
}
