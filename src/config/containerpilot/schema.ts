// ContainerPilot's v3 configuration, key by key: every object is strict, every default stands here as it would be written.
import { z, type ZodType } from "zod";
import { LONGEST_SOCKET_PATH, SOCKET_PATH_RULE } from "../schema.ts";
import { DEFAULT_INTERFACES, MOST_SECONDS, interfaces, job, ours } from "./schema-job.ts";
import { flag, integer, leaf, nonBlank, oneOf, shown, text, textOf, texts, wrong } from "./weak.ts";

const HOST_PORT = /^(\[[\da-fA-F:.]+\]|[^:/\s@[\]]+)(:\d{1,5})?$/;

const address = leaf((value) => {
  const given =
    textOf(value)
      ?.replace(/^https?:\/\//, "")
      .replace(/\/$/, "") ?? "";
  return HOST_PORT.test(given) ? given : wrong(`expected host:port, got ${shown(value)}`);
});

const consul = z.strictObject({
  address: address.prefault("127.0.0.1:8500"),
  scheme: oneOf(["http", "https"], "scheme").prefault("http"),
  token: text.optional(),
  tls: z
    .strictObject({
      cafile: text.optional(),
      capath: text.optional(),
      clientcert: text.optional(),
      clientkey: text.optional(),
      servername: text.optional(),
      // ContainerPilot did not look at certificates unless told to; we do unless told not to.
      verify: flag.prefault(true),
    })
    .prefault({}),
});

const etcdPrefix = leaf((value) => {
  // Containerbuddy took it without the slash in front as well.
  const path = `/${textOf(value)?.replaceAll(/^\/+|\/+$/g, "") ?? ""}`;
  return /^(\/[\w.-]+)+$/.test(path)
    ? path
    : wrong(`expected a path like "/containerpilot", got ${shown(value)}`);
});

const etcd = z.strictObject({
  endpoints: texts,
  prefix: etcdPrefix.prefault("/containerpilot"),
});

const logging = z.strictObject({
  level: oneOf(["DEBUG", "INFO", "WARN", "ERROR", "FATAL", "PANIC"], "log level").prefault("INFO"),
  format: oneOf(["default", "text", "json"], "log format").prefault("default"),
  output: nonBlank.prefault("stdout"),
});

const watch = z.strictObject({
  name: nonBlank,
  interval: integer(1, MOST_SECONDS, "interval").optional(),
  tag: text.optional(),
  dc: text.optional(),
  as: ours(nonBlank, "Its name as a source, when it is not that of the service.").optional(),
  key: ours(nonBlank, "A key of Consul's KV to watch, instead of a service.").optional(),
  recurse: ours(flag, "The key and all below it.").prefault(false),
});

const METRIC_PART = /^[a-zA-Z0-9_:]*$/;
const metricPart = leaf((value) => {
  const given = textOf(value);
  return given !== null && METRIC_PART.test(given)
    ? given
    : wrong(`${shown(value)} cannot be part of a metric's name`);
});

const metric = z.strictObject({
  namespace: metricPart.optional(),
  subsystem: metricPart.optional(),
  name: metricPart,
  help: nonBlank,
  type: oneOf(["counter", "gauge", "histogram", "summary"], "metric type"),
});

const telemetry = z.strictObject({
  port: integer(1, 65_535, "port").prefault(9090),
  interfaces: interfaces.prefault(DEFAULT_INTERFACES),
  tags: texts.prefault([]),
  metrics: z.array(metric).prefault([]),
});

const control = z.strictObject({
  socket: leaf((value) => {
    const path = textOf(value);
    if (path === null) return wrong(`expected a path, got ${shown(value)}`);
    return Buffer.byteLength(path) <= LONGEST_SOCKET_PATH ? path : wrong(SOCKET_PATH_RULE);
  }).prefault("/var/run/containerpilot.socket"),
});

const meaning = oneOf(["event", "reload", "maintenance", "reopen-log"], "meaning of a signal");

const shape = {
  consul: consul.optional(),
  etcd: ours(etcd, "etcd as the catalogue, as Containerbuddy had it.").optional(),
  discovery: ours(oneOf(["none"], "way to do without"), "No catalogue at all.").optional(),
  logging: logging.prefault({}),
  // Negative: jobs are killed at once. Zero means the default, as it always did.
  stopTimeout: integer(-MOST_SECONDS, MOST_SECONDS).prefault(5),
  jobs: z.array(job).prefault([]),
  watches: z.array(watch).prefault([]),
  telemetry: telemetry.optional(),
  control: control.prefault({}),
  exitCode: ours(
    oneOf(["first-failed", "last-failed", "zero"], "rule for the exit code"),
    "Which job's exit code becomes that of the container.",
  ).prefault("first-failed"),
  signals: ours(
    z.strictObject({
      SIGHUP: meaning.prefault("event"),
      SIGUSR1: meaning.prefault("reopen-log"),
      SIGUSR2: meaning.prefault("event"),
    }),
    "What a signal to the runner means.",
  ).prefault({}),
};

const v3 = z.strictObject(shape);

export type ParsedV3 = z.output<typeof v3>;
export const V3: ZodType<ParsedV3> = v3;

/** What makes a file one of the runner's, beside a recipe's own keys. */
export const RUNNER_KEYS: readonly string[] = Object.keys(shape);

/** …and what no recipe's file has. */
export const RUNNER_ONLY_KEYS: readonly string[] = RUNNER_KEYS.filter((key) => key !== "consul");

/** Milliseconds of a stop's whole seconds. */
export function stopTimeoutMs(seconds: number): number {
  if (seconds === 0) return 5_000;
  return Math.max(0, seconds) * 1_000;
}
