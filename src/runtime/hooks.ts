// Hooks: programs of the user that run when something happened. Each has a deadline and a process group of its own that
// ends with it; what it prints goes to the log. A hook can slow nothing down but other hooks, and fail nothing.
import { createInterface } from "node:readline";
import type { ChildProcess } from "node:child_process";
import { UnavailableError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Clock } from "../ports.ts";
import { launch, signalGroup } from "./launch.ts";

export type HookSpec = {
  readonly exec: readonly string[];
  readonly timeoutMs: number;
};

export type Hooks = AsyncDisposable & {
  /** Runs the hook `name` if there is one; resolves when it ended. Failure is logged and told, never thrown. */
  run(name: string, env: Readonly<Record<string, string>>): Promise<void>;
};

export type HookParts = {
  readonly hooks: Readonly<Record<string, HookSpec>>;
  readonly log: Log;
  readonly clock: Clock;
  readonly publish: (type: string, what: string) => void;
};

// Events of one failover at once; more means that hooks are slower than what they are told of.
const AT_ONCE = 4;
const QUEUED = 64;
// What a hook has to clean up after itself it does within this, or it is killed.
const GRACE_MS = 5_000;
const LOGGED_LINES = 200;
const LOGGED_COLUMNS = 2_000;

export function makeHooks(parts: HookParts): Hooks {
  const waiting: (() => void)[] = [];
  const running = new Set<ChildProcess>();
  let busy = 0;
  let closed = false;

  async function turn(): Promise<boolean> {
    if (closed || waiting.length >= QUEUED) return false;
    if (busy >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
    busy += 1;
    return true;
  }

  async function run(name: string, env: Readonly<Record<string, string>>): Promise<void> {
    const hook = parts.hooks[name];
    if (hook === undefined) return;
    if (!(await turn())) return tell(parts, `hook ${name}: not run, ${QUEUED} are waiting`);
    try {
      if (!closed) await runOne(parts, { name, hook, env, running });
    } finally {
      busy -= 1;
      waiting.shift()?.();
    }
  }

  return {
    run,
    async [Symbol.asyncDispose]() {
      closed = true;
      for (const child of running) if (child.pid !== undefined) signalGroup(child.pid, "SIGKILL");
      for (const resume of waiting.splice(0)) resume();
    },
  };
}

type Run = {
  readonly name: string;
  readonly hook: HookSpec;
  readonly env: Readonly<Record<string, string>>;
  readonly running: Set<ChildProcess>;
};

async function runOne(parts: HookParts, { name, hook, env, running }: Run): Promise<void> {
  const { log, clock } = parts;
  const startedAt = clock.now();
  const launched = await launch(`hook ${name}`, { argv: hook.exec, env, output: "pipe" });
  if (!launched.ok) return tell(parts, `hook ${name}`, launched.error);
  const { child, pid } = launched;
  running.add(child);
  const over = new AbortController();
  const ended = new Promise<string | null>((resolve) => {
    child.once("exit", (code, signal) => {
      over.abort();
      resolve(code === 0 ? null : signal === null ? `exit code ${code}` : `killed by ${signal}`);
    });
  });
  logOutput(child, log.child({ hook: name }));
  const late = await endAtDeadline({ pid, timeoutMs: hook.timeoutMs, clock, over: over.signal });
  const failure = await ended;
  running.delete(child);
  if (late) return tell(parts, `hook ${name}: ended after its limit of ${hook.timeoutMs} ms`);
  if (failure !== null) return tell(parts, `hook ${name}: ${failure}`);
  log.info(`hook ${name}`, { hook: name, ms: clock.now() - startedAt });
}

type Deadline = {
  readonly pid: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly over: AbortSignal;
};

/** True when the hook had to be ended. */
async function endAtDeadline({ pid, timeoutMs, clock, over }: Deadline): Promise<boolean> {
  const passed = (ms: number): Promise<boolean> =>
    clock.sleep(ms, over).then(
      () => true,
      () => false, // aborted: the hook ended by itself
    );
  if (!(await passed(timeoutMs))) return false;
  signalGroup(pid, "SIGTERM");
  if (await passed(GRACE_MS)) signalGroup(pid, "SIGKILL");
  return true;
}

function logOutput(child: ChildProcess, log: Log): void {
  let lines = 0;
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    stream.on("error", () => {}); // the hook closed it: there is no more to read
    createInterface({ input: stream }).on("line", (line) => {
      lines += 1;
      if (lines <= LOGGED_LINES) log.info(line.slice(0, LOGGED_COLUMNS));
      if (lines === LOGGED_LINES + 1) log.warn("more output of this run is not logged");
    });
  }
}

function tell(parts: HookParts, what: string, error?: UnavailableError): void {
  const said = error === undefined ? what : `${what}: ${error.message}`;
  parts.log.warn(said);
  parts.publish("hook", said);
}
