// What the lifecycle-hook runner runs: every default filled in, durations in milliseconds. They may be longer than a
// timer of Node's can wait (24.8 days): whoever waits has to wait in parts.
import type { InterfaceSpec } from "./interface-spec.ts";

export type RunnerConfig = {
  /** The version of the file's format that it was written in; v1 is Containerbuddy's. */
  readonly dialect: "v1" | "v2" | "v3";
  /** The recipe that the same file names, or null. */
  readonly recipe: string | null;
  readonly catalogue: Catalogue;
  readonly log: {
    readonly level: "DEBUG" | "INFO" | "WARN" | "ERROR" | "FATAL" | "PANIC";
    readonly format: "default" | "text" | "json";
    /** "stdout", "stderr", or a file's path. */
    readonly output: string;
  };
  /** How long jobs may take to end after they were asked to, before they are killed; 0: killed at once. */
  readonly stopTimeoutMs: number;
  /** Whose exit code becomes the runner's: of the jobs whose codes count, the first or the last that failed. */
  readonly exitCode: "first-failed" | "last-failed" | "zero";
  readonly signals: Readonly<Record<"SIGHUP" | "SIGUSR1" | "SIGUSR2", SignalMeaning>>;
  readonly jobs: readonly Job[];
  readonly watches: readonly Watch[];
  readonly telemetry: Telemetry | null;
  /** null: there is no control socket. */
  readonly control: { readonly socket: string } | null;
};

export type SignalMeaning = "event" | "reload" | "maintenance" | "reopen-log";

export type Catalogue =
  | {
      readonly kind: "consul";
      /** host:port */
      readonly address: string;
      readonly scheme: "http" | "https";
      readonly token: string | null;
      readonly tls: {
        readonly cafile: string | null;
        readonly capath: string | null;
        readonly clientcert: string | null;
        readonly clientkey: string | null;
        readonly servername: string | null;
        readonly verify: boolean;
      };
    }
  | { readonly kind: "etcd"; readonly endpoints: readonly string[]; readonly prefix: string }
  | { readonly kind: "none" };

export type EventName =
  | "exitSuccess"
  | "exitFailed"
  | "healthy"
  | "unhealthy"
  | "stopping"
  | "stopped"
  | "timerExpired"
  | "changed"
  | "startup"
  | "shutdown"
  | "enterMaintenance"
  | "exitMaintenance";

export type Trigger =
  | {
      readonly kind: "event";
      /** Any of them: a job, "watch.NAME", "check.JOB" or "global". */
      readonly sources: readonly string[];
      readonly event: EventName;
      /** Only the first time, or each time. */
      readonly each: boolean;
    }
  | { readonly kind: "signal"; readonly signals: readonly ("SIGHUP" | "SIGUSR2")[] }
  | { readonly kind: "interval"; readonly everyMs: number; readonly firstAtOnce: boolean };

export type When = {
  readonly trigger: Trigger;
  /** All of them have to have happened once; a start that comes earlier waits for them. */
  readonly after: readonly { readonly source: string; readonly event: EventName }[];
  /** How long to wait for the first start before the job gives up; null: without end. */
  readonly timeoutMs: number | null;
  /** A start while it runs: all of them one after the other, once more, or not at all. */
  readonly overlap: "queue" | "coalesce" | "skip";
  /** Only when the source's process runs at that moment: a stop hook that a crash does not call. */
  readonly ifRunning: boolean;
};

export type Check =
  | { readonly kind: "exec"; readonly argv: readonly string[]; readonly raw: boolean }
  | { readonly kind: "http"; readonly url: string; readonly method: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  /** Alive is healthy. */
  | { readonly kind: "heartbeat" };

export type Health = {
  readonly check: Check;
  readonly intervalMs: number;
  /** How long the catalogue believes the last passing check. */
  readonly ttlMs: number;
  readonly timeoutMs: number;
  /** How many checks in a row change the state. */
  readonly passes: number;
  readonly failures: number;
};

export type Service = {
  readonly port: number;
  /** The first that matches. */
  readonly interfaces: readonly InterfaceSpec[];
  readonly tags: readonly string[];
  /** Registered before the first check has passed, with this state; null: only after it. */
  readonly initialStatus: "passing" | "warning" | "critical" | null;
  readonly enableTagOverride: boolean;
  /** As it was written: Consul reads it. null: never. */
  readonly deregisterCriticalServiceAfter: string | null;
};

export type Job = {
  readonly name: string;
  /** null: it only registers and checks. */
  readonly exec: readonly string[] | null;
  readonly when: When;
  /** After its own end; for an interval, how many runs after the first. */
  readonly restarts: number | "unlimited";
  /** The pause before a restart doubles from `firstMs` to `mostMs`. */
  readonly backoff: { readonly firstMs: number; readonly mostMs: number };
  readonly timeoutMs: number | null;
  /** How long it waits for the jobs that start on its `stopping`; null: as long as they take. */
  readonly stopTimeoutMs: number | null;
  readonly stopSignal: NodeJS.Signals;
  /** Jobs that have to have ended before this one is asked to stop. */
  readonly stopAfter: readonly string[];
  /** Between its deregistration and its stop. */
  readonly drainMs: number;
  readonly user: string | null;
  readonly group: string | null;
  readonly cwd: string | null;
  readonly env: Readonly<Record<string, string>>;
  readonly log: {
    /** Its output as it is, or as lines of our log. */
    readonly raw: boolean;
    readonly fields: Readonly<Record<string, string>>;
  };
  readonly exit: {
    readonly successCodes: readonly number[];
    /** When it has ended for good, whether everything else is shut down. */
    readonly onSuccess: "continue" | "shutdown";
    readonly onFailure: "continue" | "shutdown";
    /** Whether its code can become the runner's. */
    readonly counts: boolean;
  };
  /** The metric that the number on its stdout is recorded for, or null. */
  readonly metric: string | null;
  readonly health: Health | null;
  /** null: it has no port. */
  readonly service: Service | null;
};

export type Watch =
  | {
      readonly kind: "service";
      /** Events come from "watch.ID". */
      readonly id: string;
      readonly service: string;
      readonly tag: string | null;
      readonly datacenter: string | null;
      /** Of polls, where the catalogue has no blocking queries. */
      readonly intervalMs: number;
    }
  | { readonly kind: "key"; readonly id: string; readonly key: string; readonly recurse: boolean };

export type Telemetry = {
  readonly port: number;
  readonly interfaces: readonly InterfaceSpec[];
  readonly tags: readonly string[];
  readonly metrics: readonly Metric[];
};

export type Metric = {
  /** namespace_subsystem_name, without the parts that are empty. */
  readonly fullName: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram" | "summary";
};
