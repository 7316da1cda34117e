// The processes of all jobs: signals to their groups, and the end of what they leave behind there.
import type { ChildProcess } from "node:child_process";
import type { RunEnd } from "../core/runner/event.ts";
import type { Job } from "../core/runner-config.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Clock } from "../ports.ts";
import { signalGroup } from "../runtime/launch.ts";
import { pidVariable } from "./environment.ts";
import { startProcess, type JobProcess } from "./job-process.ts";

export type ProcessParts = {
  readonly clock: Clock;
  readonly log: Log;
  /** Our own environment, which children inherit. */
  readonly env: NodeJS.ProcessEnv;
  readonly onExit: (job: Job, end: RunEnd, printed: string | null) => void;
};

export type Processes = {
  start(job: Job, env: Readonly<Record<string, string>>): void;
  /** To the job's whole process group; where there is none yet, as soon as there is. */
  signal(job: string, signal: NodeJS.Signals): void;
  /** Whatever was left behind in a process group of ours is killed. */
  sweep(): void;
};

type Run = { pid: number | null; readonly early: NodeJS.Signals[] };

/** What a shell says of a program that it cannot start. */
const NOT_STARTED: RunEnd = { code: 127, signal: null, afterMs: 0 };

export function makeProcesses(parts: ProcessParts): Processes {
  const { log, env } = parts;
  const runs = new Map<string, Run>();
  const leftovers = makeLeftovers(() => new Set([...runs.values()].map(({ pid }) => pid)));
  const keepOpen = makeOutputs();

  async function run(job: Job, own: Run, more: Readonly<Record<string, string>>): Promise<void> {
    const started = await startProcess(job, more, parts);
    if (typeof started === "string") {
      log.error(started, { job: job.name });
      runs.delete(job.name);
      return parts.onExit(job, NOT_STARTED, null);
    }
    const { pid, child } = started;
    own.pid = pid;
    env[pidVariable(job.name)] = String(pid);
    keepOpen(child);
    child.once("exit", () => leftovers.end(pid, job.name));
    for (const signal of own.early) signalGroup(pid, signal);
    await follow(job, started);
  }

  async function follow(job: Job, { ended }: JobProcess): Promise<void> {
    const { end, printed } = await ended;
    runs.delete(job.name);
    Reflect.deleteProperty(env, pidVariable(job.name));
    parts.onExit(job, end, printed);
  }

  return {
    start(job, more) {
      leftovers.sweep(job.name);
      const own: Run = { pid: null, early: [] };
      runs.set(job.name, own);
      run(job, own, more).catch((error: unknown) => {
        log.error(`start: ${messageOf(error)}`, { job: job.name });
      });
    },
    signal(job, signal) {
      const own = runs.get(job);
      if (own === undefined) return;
      if (own.pid === null) own.early.push(signal);
      else signalGroup(own.pid, signal);
    },
    sweep: () => leftovers.sweep(null),
  };
}

/** Process groups whose leader has ended: the rest is asked to end, and killed before the job runs again. */
function makeLeftovers(living: () => ReadonlySet<number | null>) {
  const groups = new Map<number, string>();
  return {
    end(pid: number, job: string): void {
      if (!hasMembers(pid)) return;
      signalGroup(pid, "SIGTERM");
      groups.set(pid, job);
    },
    sweep(job: string | null): void {
      const ours = living();
      for (const [pid, owner] of groups) {
        if (job !== null && owner !== job) continue;
        groups.delete(pid);
        // The number may be another's by now, when the group has been empty since.
        if (!ours.has(pid) && hasMembers(pid)) signalGroup(pid, "SIGKILL");
      }
    },
  };
}

function hasMembers(group: number): boolean {
  try {
    process.kill(-group, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Outputs that are open although their program has ended: a daemon that it left behind writes there. */
const MOST_LINGERING = 64;

function makeOutputs(): (child: ChildProcess) => void {
  const open = new Set<ChildProcess>();
  return (child) => {
    if (child.stdout === null) return;
    open.add(child);
    child.once("close", () => open.delete(child));
    for (const old of open) {
      if (open.size <= MOST_LINGERING) return;
      if (old.exitCode === null && old.signalCode === null) continue;
      old.stdout?.destroy();
      old.stderr?.destroy();
      open.delete(old);
    }
  };
}
