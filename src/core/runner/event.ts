// What the runner's state machine hears and what it orders: plain data, so that tests, log and metrics see the same.
import type { EventName, Job, RunnerConfig } from "../runner-config.ts";

/** What jobs start on. `source`: a job, "check.JOB", "watch.ID", "global", or a signal's name. */
export type RunnerEvent = {
  readonly source: string;
  readonly event: EventName | "signal";
};

export type TimerName =
  /** Waits for the first start. */
  | "start"
  | "interval"
  /** How long one run may take. */
  | "run"
  /** The pause before a restart. */
  | "restart"
  | "check"
  /** How long the job waits for those that start on its `stopping`. */
  | "stop"
  | "drain"
  /** Between the stop signal and SIGKILL. */
  | "kill";

/** How a process ended. A program that could not be started has code 127, as in a shell. */
export type RunEnd = {
  readonly code: number | null;
  readonly signal: string | null;
  readonly afterMs: number;
};

export type ServiceStatus = "passing" | "warning" | "critical";

/** What the machine needs of a configuration. */
export type MachineConfig = Pick<RunnerConfig, "jobs" | "stopTimeoutMs" | "exitCode"> & {
  /** A job that is no reason to go on when all others are done: the telemetry's service. */
  readonly background: string | null;
};

export type Input =
  | { readonly kind: "start" }
  | { readonly kind: "exited"; readonly job: string; readonly end: RunEnd }
  | { readonly kind: "timer"; readonly job: string; readonly timer: TimerName }
  | { readonly kind: "checked"; readonly job: string; readonly ok: boolean }
  /** The answer to each `withdraw`, also when the catalogue did not answer. */
  | { readonly kind: "withdrawn"; readonly job: string }
  /** `first`: the first answer, which changes nothing unless there is something. `any`: the list is not empty. */
  | {
      readonly kind: "watch";
      readonly id: string;
      readonly first: boolean;
      readonly any: boolean;
    }
  | { readonly kind: "signal"; readonly signal: "SIGHUP" | "SIGUSR2" }
  | { readonly kind: "maintenance"; readonly on: boolean }
  | { readonly kind: "reload"; readonly config: MachineConfig }
  | { readonly kind: "stop" };

export type Action =
  | { readonly do: "spawn"; readonly job: Job; readonly cause: RunnerEvent | null }
  /** To the whole process group; to a process that is just being started as soon as it is there. */
  | { readonly do: "signal"; readonly job: string; readonly signal: NodeJS.Signals }
  | {
      readonly do: "set-timer";
      readonly job: string;
      readonly timer: TimerName;
      readonly ms: number;
    }
  | { readonly do: "clear-timer"; readonly job: string; readonly timer: TimerName }
  | { readonly do: "check"; readonly job: Job }
  /** The service's state, to be registered first where it is not. The last word counts. */
  | { readonly do: "advertise"; readonly job: Job; readonly status: ServiceStatus }
  | { readonly do: "withdraw"; readonly job: string }
  | { readonly do: "tell"; readonly event: RunnerEvent }
  | {
      readonly do: "note";
      readonly level: "info" | "warn" | "error";
      readonly job: string;
      readonly text: string;
    }
  | { readonly do: "exit"; readonly code: number };

export function keyOf({ source, event }: RunnerEvent): string {
  return `${source} ${event}`;
}
