// What lets others in, and is replaced when a reload changes it: the control socket, the telemetry's port, the watches.
import { isDeepEqual } from "../core/runner/deep-equal.ts";
import type { RunnerConfig, Watch } from "../core/runner-config.ts";
import { realClock as clock } from "../runtime/clock.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { OpenCatalogue } from "./catalogue.ts";
import { startControl, type ControlVerbs } from "./control.ts";
import type { Live } from "./live.ts";
import type { RunnerLog } from "./log.ts";
import { TELEMETRY, type Prepared } from "./prepared.ts";
import { startWatch } from "./watches.ts";

export type Doors = AsyncDisposable & {
  /** Socket and port: opens what is new or changed, closes what is gone. Errors: UnavailableError, ConfigError. */
  fit(prepared: Prepared): Promise<void>;
  /** The same of watches. */
  watch(prepared: Prepared, catalogue: OpenCatalogue): void;
  metrics(): Metrics | null;
};

export type DoorParts = {
  readonly log: RunnerLog;
  readonly verbs: ControlVerbs;
  readonly live: () => Live;
};

export function makeDoors(parts: DoorParts): Doors {
  const control = controlDoor(parts);
  const telemetry = telemetryDoor(parts);
  const watches = watchDoor(parts);
  return {
    async fit(prepared) {
      await control.fit(prepared.config.control);
      await telemetry.fit(prepared);
    },
    watch: (prepared, catalogue) => watches.fit(prepared.config.watches, catalogue),
    metrics: telemetry.metrics,
    async [Symbol.asyncDispose]() {
      watches.close();
      await control.close();
      await telemetry.close();
    },
  };
}

function controlDoor({ log, verbs }: DoorParts) {
  let open: { readonly how: RunnerConfig["control"]; readonly door: AsyncDisposable } | null = null;
  const close = async (): Promise<void> => {
    const old = open;
    open = null;
    await old?.door[Symbol.asyncDispose]();
  };
  return {
    close,
    async fit(how: RunnerConfig["control"]): Promise<void> {
      if (open !== null && isDeepEqual(open.how, how)) return;
      if (how === null) {
        log.info("control server not loading due to missing config");
        return close();
      }
      const door = await startControl(how.socket, verbs);
      await close();
      open = { how, door };
      log.info(`control: serving at ${how.socket}`);
    },
  };
}

function telemetryDoor({ log, live }: DoorParts) {
  let open: { how: unknown; metrics: Metrics; door: AsyncDisposable } | null = null;
  const close = async (): Promise<void> => {
    const old = open;
    open = null;
    await old?.door[Symbol.asyncDispose]();
  };
  return {
    close,
    metrics: () => open?.metrics ?? null,
    async fit({ config, addresses }: Prepared): Promise<void> {
      const host = addresses.get(TELEMETRY) ?? "";
      const how = config.telemetry === null ? null : { ...config.telemetry, host };
      if (open !== null && isDeepEqual(open.how, how)) return;
      await close();
      if (how === null) return;
      // Loaded only where it is wanted.
      const { makeMetrics } = await import("../telemetry/metrics.ts");
      const { startTelemetry } = await import("../telemetry/server.ts");
      const metrics = makeMetrics(how.metrics);
      const status = () => live().status();
      const text = () => metrics.text();
      const door = await startTelemetry({ host, port: how.port, metrics: text, status });
      open = { how, metrics, door };
      log.info(`telemetry: serving at ${host}:${how.port}`);
    },
  };
}

function watchDoor({ log, live }: DoorParts) {
  let watched: OpenCatalogue | null = null;
  const open = new Map<string, { readonly how: Watch; readonly door: Disposable }>();
  const close = (): void => {
    for (const { door } of open.values()) door[Symbol.dispose]();
    open.clear();
  };
  return {
    close,
    fit(wanted: readonly Watch[], catalogue: OpenCatalogue): void {
      if (watched !== catalogue) close();
      watched = catalogue;
      for (const [id, { how, door }] of open) {
        if (wanted.some((one) => isDeepEqual(one, how))) continue;
        door[Symbol.dispose]();
        open.delete(id);
      }
      const { directory, kv } = catalogue;
      if (directory === null) return;
      const onChange = (change: Parameters<Live["saw"]>[0]): void => live().saw(change);
      for (const how of wanted)
        if (!open.has(how.id))
          open.set(how.id, { how, door: startWatch(how, { directory, kv, clock, log, onChange }) });
    },
  };
}
