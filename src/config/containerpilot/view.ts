// A configuration as it was written, read as far as it can be read: what relations.ts looks at. What is mistyped is null
// here; the schema complains of it.
import { parseGoDuration } from "../../core/go-duration.ts";
import { EVENT_NAMES, sourcesOf } from "./events.ts";
import { integerOf, textOf } from "./weak.ts";

type Tree = Readonly<Record<string, unknown>>;

export type WhenView = {
  readonly sources: readonly string[];
  readonly once: string | null;
  readonly each: string | null;
  readonly interval: number | null;
  readonly hasTimeout: boolean;
  readonly after: readonly { readonly source: string; readonly event: string | null }[];
  readonly ifRunning: boolean;
  /** It says when, but in words that nobody knows. */
  readonly isMisread: boolean;
};

export type JobView = {
  /** "jobs[0]" */
  readonly path: string;
  readonly name: string | null;
  readonly given: ReadonlySet<string>;
  readonly port: number;
  readonly hasExec: boolean;
  readonly commands: readonly { readonly key: string; readonly text: string }[];
  readonly health: {
    readonly interval: number | null;
    readonly ttl: number | null;
    readonly kinds: readonly string[];
  } | null;
  readonly when: WhenView;
  readonly restarts: unknown;
  readonly stopAfter: readonly string[];
  readonly metric: string | null;
};

export type WatchView = {
  readonly path: string;
  readonly name: string | null;
  readonly id: string | null;
  readonly isKey: boolean;
  readonly hasDatacenter: boolean;
  readonly interval: unknown;
};

export type View = {
  readonly jobs: readonly JobView[];
  readonly watches: readonly WatchView[];
  readonly metrics: readonly { readonly path: string; readonly fullName: string }[];
  readonly hasTelemetry: boolean;
  readonly catalogues: readonly string[];
  /** Places that nothing can be done about without a catalogue. */
  readonly usesCatalogue: readonly string[];
  /** TLS without a word on certificates: there the two differ. */
  readonly trustsBlindly: boolean;
  readonly fractions: readonly { readonly path: string; readonly value: number }[];
  readonly emptyEntries: readonly string[];
};

export function viewOf(tree: Tree): View {
  const jobs = entries(tree["jobs"], "jobs").map(jobView);
  const watches = entries(tree["watches"], "watches").map(watchView);
  const metrics = entries(object(tree["telemetry"])["metrics"], "telemetry.metrics").map(
    ({ value, path }) => ({ path, fullName: metricName(value) }),
  );
  return {
    jobs,
    watches,
    metrics,
    hasTelemetry: tree["telemetry"] !== undefined,
    catalogues: ["consul", "etcd", "discovery"].filter((key) => tree[key] !== undefined),
    usesCatalogue: [
      ...jobs.filter(({ port }) => port !== 0).map(({ path }) => `${path}.port`),
      ...watches.map(({ path }) => path),
      ...(tree["telemetry"] === undefined ? [] : ["telemetry"]),
    ],
    trustsBlindly:
      object(tree["consul"])["scheme"] === "https" &&
      object(object(tree["consul"])["tls"])["verify"] === undefined,
    fractions: [...fractionsIn(tree, "")],
    emptyEntries: ["jobs", "watches"].flatMap((key) =>
      list(tree[key]).flatMap((one, i) => (one === null ? [`${key}[${i}]`] : [])),
    ),
  };
}

/** namespace_subsystem_name, without what is empty. */
export function metricName(metric: Tree): string {
  const parts = ["namespace", "subsystem", "name"].map((key) => textOf(metric[key]) ?? "");
  return parts.filter((part) => part !== "").join("_");
}

function jobView({ value, path }: Entry): JobView {
  const health = object(value["health"]);
  return {
    path,
    name: textOf(value["name"]),
    given: new Set(Object.keys(value)),
    port: integerOf(value["port"]) ?? 0,
    hasExec: value["exec"] !== undefined,
    commands: [
      { key: "exec", text: value["exec"] },
      { key: "health.exec", text: health["exec"] },
    ].filter((one): one is { key: string; text: string } => typeof one.text === "string"),
    health:
      value["health"] === undefined
        ? null
        : {
            interval: integerOf(health["interval"]),
            ttl: integerOf(health["ttl"]),
            kinds: ["exec", "http", "tcp"].filter((key) => health[key] !== undefined),
          },
    when: whenView(object(value["when"])),
    restarts: value["restarts"],
    stopAfter: textList(value["stopAfter"]),
    metric: textOf(value["metric"]),
  };
}

function whenView(when: Tree): WhenView {
  const eventNamed = (key: string): string | null =>
    EVENT_NAMES.find((name) => name.toLowerCase() === textOf(when[key])?.toLowerCase()) ?? null;
  const [once, each] = [eventNamed("once"), eventNamed("each")];
  const { interval } = when;
  const isGiven = typeof interval === "string" || typeof interval === "number";
  return {
    sources: sourcesOf(textList(when["source"]), once ?? each ?? ""),
    once,
    each,
    interval: isGiven ? parseGoDuration(interval) : null,
    hasTimeout: when["timeout"] !== undefined,
    after: list(when["after"]).map((one) => ({
      source: textOf(object(one)["source"]) ?? "",
      event: EVENT_NAMES.find((name) => name === object(one)["event"]) ?? null,
    })),
    ifRunning: when["ifRunning"] === true,
    isMisread: ["once", "each", "interval"].some((key) => when[key] !== undefined),
  };
}

function watchView({ value, path }: Entry): WatchView {
  const name = textOf(value["name"]);
  const isKey = value["key"] !== undefined;
  return {
    path,
    name,
    id: textOf(value["as"]) ?? name,
    isKey,
    hasDatacenter: (textOf(value["dc"]) ?? "") !== "",
    interval: value["interval"],
  };
}

const WHOLE = new Set(["port", "interval", "ttl", "stopTimeout", "restarts", "poll"]);

function* fractionsIn(
  value: unknown,
  path: string,
): Iterable<{ readonly path: string; readonly value: number }> {
  if (Array.isArray(value))
    for (const [i, one] of value.entries()) yield* fractionsIn(one, `${path}[${i}]`);
  else if (typeof value === "object" && value !== null)
    for (const [key, one] of Object.entries(value)) {
      const at = path === "" ? key : `${path}.${key}`;
      // Durations have no fractions without a unit: those are errors of their own.
      const isCut = WHOLE.has(key) && !path.endsWith("when") && typeof one === "number";
      if (isCut && !Number.isInteger(one)) yield { path: at, value: one };
      else yield* fractionsIn(one, at);
    }
}

type Entry = { readonly value: Tree; readonly path: string };

function entries(value: unknown, key: string): readonly Entry[] {
  return list(value).flatMap((one, i) =>
    typeof one === "object" && one !== null && !Array.isArray(one)
      ? [{ value: one as Tree, path: `${key}[${i}]` }]
      : [],
  );
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function textList(value: unknown): readonly string[] {
  return (Array.isArray(value) ? value : [value]).flatMap((one) => textOf(one) ?? []);
}

function object(value: unknown): Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Tree)
    : {};
}
