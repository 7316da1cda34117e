// A world without processes and time for the runner's state machine: each spawn runs as planned, each timer fires when it
// should, and everything that happens is one line.
import type { Action, Input } from "../../src/core/runner/event.ts";
import { initialState, step, type RunnerState } from "../../src/core/runner/machine.ts";
import type { Health, Job, Service, When } from "../../src/core/runner-config.ts";

type Given = Partial<Omit<Job, "when">> & {
  readonly name: string;
  readonly when?: Partial<When>;
};

export function makeJob({ when, ...given }: Given): Job {
  return {
    exec: [given.name],
    restarts: 0,
    backoff: { firstMs: 100, mostMs: 10_000 },
    timeoutMs: null,
    stopTimeoutMs: null,
    stopSignal: "SIGTERM",
    stopAfter: [],
    drainMs: 0,
    user: null,
    group: null,
    cwd: null,
    env: {},
    log: { raw: false, fields: {} },
    exit: { successCodes: [0], onSuccess: "continue", onFailure: "continue", counts: true },
    metric: null,
    health: null,
    service: null,
    ...given,
    when: {
      trigger: { kind: "event", sources: ["global"], event: "startup", each: false },
      after: [],
      timeoutMs: null,
      overlap: "coalesce",
      ifRunning: false,
      ...when,
    },
  };
}

export const once = (source: string, event: string, more: Partial<When> = {}): Partial<When> => ({
  trigger: { kind: "event", sources: [source], event, each: false } as When["trigger"],
  ...more,
});
export const each = (source: string, event: string, more: Partial<When> = {}): Partial<When> => ({
  trigger: { kind: "event", sources: [source], event, each: true } as When["trigger"],
  ...more,
});
export const every = (everyMs: number, more: Partial<When> = {}): Partial<When> => ({
  trigger: { kind: "interval", everyMs, firstAtOnce: true },
  ...more,
});

export const SERVICE: Service = {
  port: 80,
  interfaces: [],
  tags: [],
  initialStatus: null,
  enableTagOverride: false,
  deregisterCriticalServiceAfter: null,
};

export const HEALTH: Health = {
  check: { kind: "exec", argv: ["check"], raw: false },
  intervalMs: 1_000,
  ttlMs: 5_000,
  timeoutMs: 1_000,
  passes: 1,
  failures: 1,
};

/** How one process behaves. */
export type Plan = {
  /** It ends by itself after this; null: never. */
  readonly endsAfterMs: number | null;
  readonly code: number;
  /** How long it takes to end by the stop signal; null: it takes no notice. */
  readonly stopsAfterMs: number | null;
};

const FOREVER: Plan = { endsAfterMs: null, code: 0, stopsAfterMs: 1 };

type Due = { readonly at: number; readonly input: Input; readonly key: string };

export class World {
  now = 0;
  state: RunnerState;
  readonly lines: string[] = [];
  readonly plans: Record<string, Partial<Plan> | ((run: number) => Partial<Plan>)> = {};
  readonly sick = new Set<string>();
  exitCode: number | null = null;
  readonly startedAt = new Map<string, number>();
  readonly runs = new Map<string, number>();
  #due: Due[] = [];

  constructor(jobs: readonly Job[], more: { stopTimeoutMs?: number; exitCode?: "zero" } = {}) {
    this.state = initialState({
      jobs,
      stopTimeoutMs: 5_000,
      exitCode: "first-failed",
      background: null,
      ...more,
    });
  }

  start(): this {
    return this.send({ kind: "start" });
  }

  send(input: Input): this {
    const { state, actions } = step(this.state, input);
    this.state = state;
    for (const action of actions) this.#perform(action);
    return this;
  }

  reload(jobs: readonly Job[]): this {
    return this.send({ kind: "reload", config: { ...this.state.config, jobs } });
  }

  /** Lets time pass; stops early when the runner has ended. */
  pass(ms: number): this {
    const end = this.now + ms;
    for (;;) {
      const next = this.#due.toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end || this.exitCode !== null) break;
      this.#due = this.#due.filter((one) => one !== next);
      this.now = next.at;
      if (next.input.kind === "exited") this.startedAt.delete(next.input.job);
      this.send(next.input);
    }
    this.now = Math.max(this.now, this.exitCode === null ? end : this.now);
    return this;
  }

  /** Everything said since the last call. */
  heard(pattern = /./): readonly string[] {
    return this.lines.splice(0).filter((line) => pattern.test(line));
  }

  running(): readonly string[] {
    return [...this.startedAt.keys()];
  }

  #later(ms: number, key: string, input: Input): void {
    this.#due = this.#due.filter((one) => one.key !== key);
    this.#due.push({ at: this.now + ms, key, input });
  }

  #perform(action: Action): void {
    switch (action.do) {
      case "spawn":
        return this.#spawn(action.job.name, action.cause?.source);
      case "signal":
        return this.#signal(action.job, action.signal);
      case "set-timer":
        return this.#later(action.ms, `${action.job} ${action.timer}`, {
          kind: "timer",
          job: action.job,
          timer: action.timer,
        });
      case "clear-timer":
        this.#due = this.#due.filter(({ key }) => key !== `${action.job} ${action.timer}`);
        return;
      case "check": {
        const { name } = action.job;
        const ok = !this.sick.has(name);
        return this.#later(1, `${name} checked`, { kind: "checked", job: name, ok });
      }
      case "advertise":
        return void this.lines.push(`advertise ${action.job.name} ${action.status}`);
      case "withdraw":
        this.lines.push(`withdraw ${action.job}`);
        return this.#later(1, `${action.job} withdrawn`, { kind: "withdrawn", job: action.job });
      case "tell":
        return void this.lines.push(`event ${action.event.source} ${action.event.event}`);
      case "note":
        return void this.lines.push(`note ${action.job} ${action.text}`);
      case "exit":
        this.exitCode = action.code;
        return void this.lines.push(`exit ${action.code}`);
    }
  }

  #planOf(job: string): Plan {
    const plan = this.plans[job] ?? {};
    const run = this.runs.get(job) ?? 0;
    return { ...FOREVER, ...(typeof plan === "function" ? plan(run) : plan) };
  }

  #spawn(job: string, cause = ""): void {
    if (this.startedAt.has(job)) throw new Error(`two processes of ${job}`);
    this.startedAt.set(job, this.now);
    this.runs.set(job, (this.runs.get(job) ?? 0) + 1);
    this.lines.push(`spawn ${job}${cause === "" ? "" : ` by ${cause}`}`);
    const { endsAfterMs, code } = this.#planOf(job);
    if (endsAfterMs !== null) this.#endIn(endsAfterMs, job, code, null);
  }

  #signal(job: string, signal: string): void {
    this.lines.push(`signal ${job} ${signal}`);
    if (!this.startedAt.has(job)) throw new Error(`${signal} to ${job}, which does not run`);
    const { stopsAfterMs } = this.#planOf(job);
    if (signal === "SIGKILL") this.#endIn(0, job, null, signal);
    else if (stopsAfterMs !== null) this.#endIn(stopsAfterMs, job, null, signal);
  }

  #endIn(ms: number, job: string, code: number | null, signal: string | null): void {
    const at = this.startedAt.get(job) ?? 0;
    const end = { code, signal, afterMs: this.now + ms - at };
    this.#later(ms, `${job} exited`, { kind: "exited", job, end });
  }
}
