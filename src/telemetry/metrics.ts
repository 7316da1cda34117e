// The runner's metrics on prom-client: ContainerPilot's families, the process's own, and the user's.
import { Counter, Gauge, Histogram, Registry, Summary, collectDefaultMetrics } from "prom-client";
import type { Metric } from "../core/runner-config.ts";
import { ConfigError } from "../errors.ts";

export type Metrics = {
  event(source: string, event: string): void;
  controlRequest(path: string, code: number): void;
  watchInstances(service: string, count: number): void;
  /** False: there is no such metric. Errors: ConfigError AP_CONFIG_INVALID for a counter that would go down. */
  record(name: string, value: number): boolean;
  text(): Promise<string>;
};

export function makeMetrics(wanted: readonly Metric[]): Metrics {
  const registers = [new Registry()];
  const [register] = registers as [Registry];
  collectDefaultMetrics({ register });
  const events = new Counter({
    name: "containerpilot_events",
    help: "events, by code and source",
    labelNames: ["code", "source"],
    registers,
  });
  const control = new Counter({
    name: "containerpilot_control_http_requests",
    help: "requests to the control socket, by response code and path",
    labelNames: ["code", "path"],
    registers,
  });
  const instances = new Gauge({
    name: "containerpilot_watch_instances",
    help: "instances found by each watch, by service",
    labelNames: ["service"],
    registers,
  });
  const own = new Map(wanted.map((metric) => [metric.fullName, recorder(metric, registers)]));
  return {
    event: (source, code) => events.inc({ code, source }),
    controlRequest: (path, code) => control.inc({ code: String(code), path }),
    watchInstances: (service, count) => instances.set({ service }, count),
    record(name, value) {
      const record = own.get(name) ?? own.get(withoutEmptyParts(name));
      record?.(value);
      return record !== undefined;
    },
    text: () => register.metrics(),
  };
}

/** ContainerPilot joined namespace, subsystem and name even where they were empty: "__x" is x. */
function withoutEmptyParts(name: string): string {
  return name.split("_").filter(Boolean).join("_");
}

function recorder(
  { fullName: name, help, type }: Metric,
  registers: Registry[],
): (value: number) => void {
  switch (type) {
    case "counter": {
      const counter = new Counter({ name, help, registers });
      return (value) => {
        if (value < 0) {
          const why = `${name} is a counter: it cannot go down by ${-value}`;
          throw new ConfigError("AP_CONFIG_INVALID", why, { hint: "use a gauge" });
        }
        counter.inc(value);
      };
    }
    case "gauge": {
      const gauge = new Gauge({ name, help, registers });
      return (value) => gauge.set(value);
    }
    case "histogram": {
      const histogram = new Histogram({ name, help, registers });
      return (value) => histogram.observe(value);
    }
    case "summary": {
      const summary = new Summary({ name, help, registers });
      return (value) => summary.observe(value);
    }
  }
}
