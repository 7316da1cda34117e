// The telemetry's port: GET /metrics for Prometheus, GET /status for people and scripts, in ContainerPilot's shape.
import { UnavailableError } from "../errors.ts";
import { listen, makeJsonServer } from "../runtime/json-server.ts";

export type Status = {
  readonly Version: string;
  readonly Jobs: readonly { readonly Name: string; readonly Status: string }[] | null;
  readonly Services: readonly {
    readonly Name: string;
    readonly Address: string;
    readonly Port: number;
    readonly Status: string;
  }[];
  readonly Watches: readonly string[] | null;
};

export type TelemetryParts = {
  readonly host: string;
  readonly port: number;
  readonly metrics: () => Promise<string>;
  readonly status: () => Status;
};

/** Errors: UnavailableError AP_PORT_IN_USE. */
export async function startTelemetry(parts: TelemetryParts): Promise<AsyncDisposable> {
  const json = makeJsonServer(async ({ method, path }) => {
    if (path !== "/metrics" && path !== "/status") return [404, { error: `there is no ${path}` }];
    if (method !== "GET" && method !== "HEAD") return [405, { error: "GET only" }];
    if (path === "/status") return [200, parts.status()];
    return [200, await parts.metrics(), "text/plain; version=0.0.4; charset=utf-8"];
  });
  const { host, port } = parts;
  try {
    await listen(json.server, { host, port });
  } catch (error) {
    const why = `the telemetry's port ${host}:${port} cannot be listened on`;
    throw new UnavailableError("AP_PORT_IN_USE", why, { cause: error });
  }
  return json;
}
