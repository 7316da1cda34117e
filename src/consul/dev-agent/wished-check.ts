// A check in a request's body: TTL, HTTP or TCP. Scripts are refused, as by a real agent that was not told to run any.
import { durationMs, objectAt, stringAt } from "./reply.ts";
import type { CheckStatus, Probe } from "./state.ts";

type Fields = Readonly<Record<string, unknown>>;

export type WishedCheck = {
  readonly id: string;
  readonly name: string;
  readonly notes: string;
  readonly status: CheckStatus;
  /** Null for one that the agent runs. */
  readonly ttlMs: number | null;
  readonly probe: Probe | null;
  readonly dropAfterMs: number | null;
};

/** Consul's shortest, and so ours: a service that is dropped for a hiccup is worse than one that lingers. */
const DROP_MIN_MS = 60_000;
/** Consul's default. */
const TIMEOUT_MS = 10_000;
/** Consul's shortest interval; a shorter one is made so long. */
const INTERVAL_MIN_MS = 1000;

/** `id` and `name` where it has none of its own. A string is Consul's text of what is wrong. */
export function wishedCheck(given: Fields, id: string, name: string): WishedCheck | string {
  const how = kindOf(given);
  if (typeof how === "string") return how;
  const status = stringAt(given, "Status") || "critical";
  if (!isStatus(status)) return `Status for checks must 'passing', 'warning', 'critical'`;
  const drop = stringAt(given, "DeregisterCriticalServiceAfter");
  const dropMs = drop === "" ? null : durationMs(drop);
  if (drop !== "" && dropMs === null) return badDuration(drop);
  const dropAfterMs = dropMs === null || dropMs === 0 ? null : Math.max(DROP_MIN_MS, dropMs);
  const own = stringAt(given, "CheckID") || stringAt(given, "ID");
  const called = stringAt(given, "Name");
  return {
    id: own || id,
    name: called || name,
    notes: stringAt(given, "Notes"),
    status,
    dropAfterMs,
    ...how,
  };
}

export function isStatus(status: string): status is CheckStatus {
  return status === "passing" || status === "warning" || status === "critical";
}

type Kind = Pick<WishedCheck, "ttlMs" | "probe">;

function kindOf(given: Fields): Kind | string {
  if (["Args", "Script"].some((kind) => given[kind] !== undefined))
    return "Scripts are disabled on this agent; the development agent runs none";
  if (["GRPC", "AliasService", "AliasNode", "DockerContainerID"].some((kind) => kind in given))
    return "Invalid check: the development agent knows TTL, HTTP and TCP checks";
  const [http, tcp] = [stringAt(given, "HTTP"), stringAt(given, "TCP")];
  if (http !== "" || tcp !== "") return probeOf(given, http, tcp);
  const ttl = stringAt(given, "TTL");
  if (ttl === "") return "Invalid check: TTL must be > 0 for TTL checks";
  const ttlMs = durationMs(ttl);
  return ttlMs === null ? badDuration(ttl) : { ttlMs, probe: null };
}

function probeOf(given: Fields, http: string, tcp: string): Kind | string {
  if (http !== "" && !/^https?:$/.test(URL.parse(http)?.protocol ?? ""))
    return `Invalid check: ${JSON.stringify(http)} is no URL of HTTP`;
  if (http === "" && !/^.+:\d+$/.test(tcp))
    return `Invalid check: ${JSON.stringify(tcp)} is no host and port`;
  const interval = durationMs(stringAt(given, "Interval"));
  if (interval === null || interval <= 0)
    return "Invalid check: Interval must be > 0 for Script, HTTP, or TCP checks";
  const written = stringAt(given, "Timeout");
  const timeout = written === "" ? TIMEOUT_MS : durationMs(written);
  if (timeout === null) return badDuration(written);
  const probe: Probe = {
    kind: http === "" ? "tcp" : "http",
    target: http || tcp,
    method: stringAt(given, "Method") || "GET",
    headers: headersOf(objectAt(given, "Header")),
    intervalMs: Math.max(INTERVAL_MIN_MS, interval),
    timeoutMs: timeout || TIMEOUT_MS,
  };
  return { ttlMs: null, probe };
}

/** {"X-A": ["b"]} */
function headersOf(given: Fields | null): Probe["headers"] {
  return Object.entries(given ?? {}).flatMap(([name, values]) =>
    [values].flat().flatMap((value) => (typeof value === "string" ? [[name, value] as const] : [])),
  );
}

function badDuration(text: string): string {
  return `Request decode failed: time: invalid duration "${text}"`;
}
