// A checked configuration together with what only this machine can say of it: the addresses that services advertise.
import type { MachineConfig } from "../core/runner/event.ts";
import type { Job, RunnerConfig, Telemetry } from "../core/runner-config.ts";
import { VERSION } from "../version.ts";
import { addressFor } from "./interfaces.ts";

export type Prepared = {
  readonly config: RunnerConfig;
  readonly machine: MachineConfig;
  /** Of each service, by its job. */
  readonly addresses: ReadonlyMap<string, string>;
};

/** The service that telemetry is found by. */
export const TELEMETRY = "containerpilot";

/** Errors: ConfigError AP_CONFIG_INVALID for an interface that this machine does not have. */
export function prepare(config: RunnerConfig): Prepared {
  const { telemetry, stopTimeoutMs, exitCode } = config;
  const jobs = telemetry === null ? config.jobs : [...config.jobs, telemetryJob(telemetry)];
  const addresses = new Map<string, string>();
  for (const { name, service } of jobs)
    if (service !== null) addresses.set(name, addressFor(`job ${name}`, service.interfaces));
  const background = telemetry === null ? null : TELEMETRY;
  return { config, machine: { jobs, stopTimeoutMs, exitCode, background }, addresses };
}

function telemetryJob({ port, interfaces, tags }: Telemetry): Job {
  return {
    name: TELEMETRY,
    exec: null,
    when: {
      trigger: { kind: "event", sources: ["global"], event: "startup", each: false },
      after: [],
      timeoutMs: null,
      overlap: "skip",
      ifRunning: false,
    },
    restarts: 0,
    backoff: { firstMs: 0, mostMs: 0 },
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
    exit: { successCodes: [0], onSuccess: "continue", onFailure: "continue", counts: false },
    metric: null,
    health: {
      check: { kind: "heartbeat" },
      intervalMs: 5_000,
      ttlMs: 15_000,
      timeoutMs: 5_000,
      passes: 1,
      failures: 1,
    },
    service: {
      port,
      interfaces,
      tags: [...tags, VERSION],
      initialStatus: "passing",
      enableTagOverride: false,
      deregisterCriticalServiceAfter: null,
    },
  };
}
