// One entry of `jobs`, key by key. What keys mean for each other is checked in relations.ts.
import { constants } from "node:os";
import { z } from "zod";
import { parseInterfaceSpec } from "../../core/interface-spec.ts";
import { EVENT_NAMES } from "./events.ts";
import {
  command,
  duration,
  flag,
  integer,
  integerOf,
  leaf,
  nonBlank,
  oneOf,
  shown,
  text,
  textOf,
  texts,
  wrong,
} from "./weak.ts";

/** A key that ContainerPilot does not have. */
export function ours<S extends z.ZodType>(schema: S, description: string): S {
  return schema.meta({ ours: true, description });
}

/** Go's %v of a list, a text or nothing: what `interfaces` was given as. */
export const interfaces = leaf((value) => {
  const specs = (Array.isArray(value) ? value : [value]).map((one) => textOf(one) ?? "");
  const parsed = specs.map(parseInterfaceSpec);
  const bad = specs.find((_, i) => parsed[i] === null);
  if (bad !== undefined) return wrong(`${shown(bad)} is no interface specification`);
  return parsed.filter((one) => one !== null);
});

export const DEFAULT_INTERFACES = ["eth0:inet", "inet"];

const event = oneOf(EVENT_NAMES, "event");

export const MOST_SECONDS = 10 * 365 * 24 * 3600;
const seconds = (name: string) => integer(1, MOST_SECONDS, name);

const restarts = leaf((value) => {
  if (value === "unlimited" || value === "never") return value;
  const count = integerOf(value);
  if (count === null || typeof value === "boolean")
    return wrong(`${shown(value)} is neither a number, "unlimited" nor "never"`);
  return count < 0 ? wrong("the number must not be negative") : count;
});

const signal = leaf((value) => {
  const name = `SIG${(textOf(value) ?? "").toUpperCase().replace(/^SIG/, "")}`;
  return Object.hasOwn(constants.signals, name)
    ? (name as NodeJS.Signals)
    : wrong(`there is no signal ${shown(value)}`);
});

const environment = z.record(z.string(), text).superRefine((env, context) => {
  for (const name of Object.keys(env))
    if (name === "" || /[=\0]/.test(name))
      context.addIssue({ code: "custom", message: `${shown(name)} is no name of a variable` });
});

const httpCheck = leaf((value) => {
  const {
    url,
    method = "GET",
    ...more
  } = (typeof value === "string" ? { url: value } : Object(value)) as Record<string, unknown>;
  const [unknown] = Object.keys(more);
  if (unknown !== undefined) return wrong(`unknown key ${unknown}; there are url and method`);
  const parsed = typeof url === "string" ? URL.parse(url) : null;
  if (parsed === null || !/^https?:$/.test(parsed.protocol))
    return wrong("expected an http:// or https:// address");
  if (typeof method !== "string" || !/^(GET|HEAD|POST|OPTIONS)$/.test(method))
    return wrong("expected GET, HEAD, POST or OPTIONS as method");
  return { url: parsed.href, method };
});

const tcpCheck = leaf((value) => {
  const [, host = "127.0.0.1", port = ""] =
    /^(?:(\[[\da-fA-F:]+\]|[^:[\]]+):)?(\d+)$/.exec(textOf(value) ?? "") ?? [];
  if (!(Number(port) >= 1 && Number(port) <= 65_535))
    return wrong(`expected a port or host:port, got ${shown(value)}`);
  return { host: host.replace(/^\[(.*)\]$/, "$1"), port: Number(port) };
});

const checkLogging = z.strictObject({ raw: flag.prefault(false) });

const health = z.strictObject({
  exec: command.optional(),
  http: ours(httpCheck, "An address that has to answer 200–399, instead of exec.").optional(),
  tcp: ours(tcpCheck, "host:port that has to accept, instead of exec.").optional(),
  interval: seconds("health.interval"),
  ttl: seconds("health.ttl"),
  timeout: duration(1).optional(),
  logging: checkLogging.prefault({}),
  passes: ours(integer(1, 100), "Checks in a row that make it healthy.").prefault(1),
  failures: ours(integer(1, 100), "Checks in a row that make it unhealthy.").prefault(1),
});

const when = z.strictObject({
  source: texts.optional(),
  once: event.optional(),
  each: event.optional(),
  interval: duration(1).optional(),
  timeout: duration(0).optional(),
  after: ours(
    z.array(z.strictObject({ source: nonBlank, event })),
    "All of these have to have happened before; a start that comes earlier waits for them.",
  ).prefault([]),
  overlap: ours(
    oneOf(["queue", "coalesce", "skip"], "way to overlap"),
    "A start while the job runs: queued, one more run, or none.",
  ).prefault("coalesce"),
  first: ours(
    oneOf(["at-once", "after-interval"], "first run"),
    "When the first run of an interval is.",
  ).prefault("at-once"),
  ifRunning: ours(flag, "Only when the source's process runs at that moment.").prefault(false),
});

const outcome = oneOf(["continue", "shutdown"], "outcome");

const exit = z.strictObject({
  successCodes: z.array(integer(0, 255)).prefault([0]),
  onSuccess: outcome.prefault("continue"),
  onFailure: outcome.prefault("continue"),
  code: oneOf(["counts", "ignored"], "use of the code").prefault("counts"),
});

export const job = z.strictObject({
  name: nonBlank,
  exec: command.optional(),
  logging: z
    .strictObject({
      raw: flag.prefault(false),
      fields: ours(z.record(z.string(), text), "Put into each line of its log.").prefault({}),
    })
    .prefault({}),
  when: when.prefault({}),
  restarts: restarts.optional(),
  timeout: duration(1).optional(),
  stopTimeout: duration(0).optional(),
  port: integer(0, 65_535, "port").prefault(0),
  interfaces: interfaces.prefault(DEFAULT_INTERFACES),
  initial_status: oneOf(["passing", "warning", "critical"], "status").optional(),
  tags: texts.prefault([]),
  consul: z
    .strictObject({
      enableTagOverride: flag.prefault(false),
      deregisterCriticalServiceAfter: leaf((value) => {
        const given = textOf(value) ?? "";
        // Consul's own setting: it reads Go's units only, and no bare number.
        return duration(0).safeParse(given).success && /[a-zµμ]$/.test(given)
          ? given
          : wrong(`expected a duration like "90m", got ${shown(value)}`);
      }).optional(),
    })
    .prefault({}),
  health: health.optional(),
  user: ours(nonBlank, "Name or number of the user that it runs as.").optional(),
  group: ours(nonBlank, "Name or number of its group; default: the user's.").optional(),
  cwd: ours(nonBlank, "The directory that it runs in.").optional(),
  env: ours(environment, "Variables beside those of the container.").prefault({}),
  stopSignal: ours(signal, "The signal that asks it to end.").prefault("SIGTERM"),
  drain: ours(duration(0), "Time between its deregistration and its stop.").prefault("0s"),
  stopAfter: ours(texts, "Jobs that have to have ended before it is asked to stop.").prefault([]),
  backoff: ours(
    z.strictObject({ first: duration(0).prefault("100ms"), most: duration(0).prefault("10s") }),
    "The pause before a restart doubles from the first to the most.",
  ).prefault({}),
  exit: ours(exit, "What its end means for everything else.").prefault({}),
  metric: ours(nonBlank, "The metric that the number on its stdout is recorded for.").optional(),
});

export type ParsedJob = z.output<typeof job>;
