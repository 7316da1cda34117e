// A checked configuration → what the runner runs.
import type {
  Catalogue,
  Check,
  Health,
  Job,
  RunnerConfig,
  Service,
  Trigger,
  Watch,
  When,
} from "../../core/runner-config.ts";
import { InvariantError } from "../../errors.ts";
import { isSignal, sourcesOf } from "./events.ts";
import type { ParsedJob } from "./schema-job.ts";
import { stopTimeoutMs, type ParsedV3 } from "./schema.ts";
import { metricName } from "./view.ts";

export function normalise(
  parsed: ParsedV3,
  { dialect, recipe }: Pick<RunnerConfig, "dialect" | "recipe">,
): RunnerConfig {
  return {
    dialect,
    recipe,
    catalogue: catalogueOf(parsed),
    log: parsed.logging,
    stopTimeoutMs: stopTimeoutMs(parsed.stopTimeout),
    exitCode: parsed.exitCode,
    signals: parsed.signals,
    jobs: parsed.jobs.map(jobOf),
    watches: parsed.watches.map(watchOf),
    telemetry: parsed.telemetry === undefined ? null : telemetryOf(parsed.telemetry),
    control: parsed.control.socket === "" ? null : { socket: parsed.control.socket },
  };
}

function catalogueOf({ consul, etcd }: ParsedV3): Catalogue {
  if (etcd !== undefined) return { kind: "etcd", ...etcd };
  if (consul === undefined) return { kind: "none" };
  const { address, scheme, token, tls } = consul;
  const { cafile, capath, clientcert, clientkey, servername, verify } = tls;
  return {
    kind: "consul",
    address: /:\d+$/.test(address) ? address : `${address}:8500`,
    scheme,
    token: token || null,
    tls: {
      cafile: cafile || null,
      capath: capath || null,
      clientcert: clientcert || null,
      clientkey: clientkey || null,
      servername: servername || null,
      verify,
    },
  };
}

function jobOf(job: ParsedJob): Job {
  const when = whenOf(job.when);
  const everyMs = when.trigger.kind === "interval" ? when.trigger.everyMs : null;
  const restarts = job.restarts ?? (everyMs === null ? "never" : "unlimited");
  return {
    name: job.name,
    exec: job.exec ?? null,
    when,
    restarts: restarts === "never" ? 0 : restarts,
    backoff: { firstMs: job.backoff.first, mostMs: Math.max(job.backoff.first, job.backoff.most) },
    timeoutMs: job.timeout ?? everyMs,
    stopTimeoutMs: job.stopTimeout ?? null,
    stopSignal: job.stopSignal,
    stopAfter: job.stopAfter,
    drainMs: job.drain,
    user: job.user ?? null,
    group: job.group ?? null,
    cwd: job.cwd ?? null,
    env: job.env,
    log: job.logging,
    exit: {
      successCodes: job.exit.successCodes,
      onSuccess: job.exit.onSuccess,
      onFailure: job.exit.onFailure,
      counts: job.exit.code === "counts",
    },
    metric: job.metric ?? null,
    health: job.health === undefined ? null : healthOf(job.health),
    service: serviceOf(job),
  };
}

function whenOf(when: ParsedJob["when"]): When {
  return {
    trigger: triggerOf(when),
    after: when.after,
    timeoutMs: when.timeout ?? null,
    overlap: when.overlap,
    ifRunning: when.ifRunning,
  };
}

function triggerOf({ interval, first, source, once, each }: ParsedJob["when"]): Trigger {
  if (interval !== undefined)
    return { kind: "interval", everyMs: interval, firstAtOnce: first === "at-once" };
  const event = once ?? each;
  const sources = sourcesOf(source, event ?? "");
  const signals = sources.filter(isSignal);
  if (signals.length > 0) return { kind: "signal", signals };
  // Without any word on when, a job starts with the runner.
  if (event === undefined)
    return { kind: "event", sources: ["global"], event: "startup", each: false };
  return { kind: "event", sources, event, each: each !== undefined };
}

function healthOf(health: NonNullable<ParsedJob["health"]>): Health {
  const intervalMs = health.interval * 1_000;
  return {
    check: checkOf(health),
    intervalMs,
    ttlMs: health.ttl * 1_000,
    timeoutMs: health.timeout ?? intervalMs,
    passes: health.passes,
    failures: health.failures,
  };
}

function checkOf({ exec, http, tcp, logging }: NonNullable<ParsedJob["health"]>): Check {
  if (exec !== undefined) return { kind: "exec", argv: exec, raw: logging.raw };
  if (http !== undefined) return { kind: "http", ...http };
  return tcp === undefined ? { kind: "heartbeat" } : { kind: "tcp", ...tcp };
}

function serviceOf(job: ParsedJob): Service | null {
  if (job.port === 0) return null;
  return {
    port: job.port,
    interfaces: job.interfaces,
    tags: job.tags,
    initialStatus: job.initial_status ?? null,
    enableTagOverride: job.consul.enableTagOverride,
    deregisterCriticalServiceAfter: job.consul.deregisterCriticalServiceAfter ?? null,
  };
}

function watchOf(watch: ParsedV3["watches"][number]): Watch {
  const id = watch.as ?? watch.name;
  if (watch.key !== undefined) return { kind: "key", id, key: watch.key, recurse: watch.recurse };
  if (watch.interval === undefined)
    throw new InvariantError("AP_BUG_INVARIANT", `watch ${id} came through without an interval`);
  return {
    kind: "service",
    id,
    service: watch.name,
    tag: watch.tag || null,
    datacenter: watch.dc || null,
    intervalMs: watch.interval * 1_000,
  };
}

function telemetryOf({ port, interfaces, tags, metrics }: NonNullable<ParsedV3["telemetry"]>) {
  const named = metrics.map((metric) => ({
    fullName: metricName(metric),
    help: metric.help,
    type: metric.type,
  }));
  return { port, interfaces, tags, metrics: named };
}
