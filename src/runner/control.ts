// The control socket, as ContainerPilot's clients know it: HTTP over a unix socket that only its owner may open.
//   POST /v3/environ (/v3/env)   {"NAME": "value"}          POST /v3/reload
//   POST /v3/metric              {"name": 1.5}              POST /v3/maintenance/enable · disable
//   any  /v3/ping                ok
// 200 done; 405 and 404 for a wrong method and path; 422 with the reason for what cannot be done.
import { rmSync } from "node:fs";
import { AutopilotError, ConfigError, messageOf } from "../errors.ts";
import { listenOnSocket } from "../runtime/control.ts";
import { makeJsonServer, type Answer, type JsonRequest } from "../runtime/json-server.ts";

export type ControlVerbs = {
  putEnv(values: Readonly<Record<string, string>>): void;
  /** Errors: one for what cannot be recorded. */
  putMetrics(values: Readonly<Record<string, number>>): void;
  /** Errors: the configuration's own; then the old one goes on. */
  reload(): Promise<void>;
  setMaintenance(on: boolean): void;
  /** Counts what was asked. */
  asked(path: string, code: number): void;
};

const REFUSED = 422;

/** Errors: UnavailableError AP_NODE_RUNNING when another process answers there. A dead one's socket is replaced. */
export async function startControl(path: string, verbs: ControlVerbs): Promise<AsyncDisposable> {
  const server = makeJsonServer(async (request) => {
    const answered = await answer(request, verbs);
    verbs.asked(PATHS.has(request.path) ? request.path : "other", answered[0]);
    return answered;
  });
  try {
    await listenOnSocket(server.server, path);
  } catch (error) {
    if (error instanceof AutopilotError) throw error;
    const why = `control.socket ${path}: ${messageOf(error)}`;
    throw new ConfigError("AP_CONFIG_INVALID", why, { cause: error });
  }
  return {
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      rmSync(path, { force: true });
    },
  };
}

/** Of the metric: whoever asks for any path must not make a series of it. */
const PATHS = new Set([
  "/v3/environ",
  "/v3/env",
  "/v3/metric",
  "/v3/reload",
  "/v3/maintenance/enable",
  "/v3/maintenance/disable",
  "/v3/ping",
]);

async function answer(request: JsonRequest, verbs: ControlVerbs): Promise<Answer> {
  const { method, path, body } = request;
  if (path === "/v3/ping") return [200, "ok\n", "text/plain"];
  if (!PATHS.has(path)) return [404, { error: `there is no ${path}` }];
  if (method !== "POST") return [405, { error: `${path}: POST only` }];
  try {
    await act(path, body, verbs);
    return [200, { updated: true }];
  } catch (error) {
    const problems = error instanceof ConfigError ? error.problems : [];
    return [REFUSED, { error: messageOf(error), ...(problems.length > 0 ? { problems } : {}) }];
  }
}

async function act(path: string, body: string, verbs: ControlVerbs): Promise<void> {
  switch (path) {
    case "/v3/environ":
    case "/v3/env":
      return verbs.putEnv(valuesOf(body, textValue));
    case "/v3/metric":
      return verbs.putMetrics(valuesOf(body, numberValue));
    case "/v3/reload":
      return verbs.reload();
    default:
      return verbs.setMaintenance(path.endsWith("/enable"));
  }
}

const bad = (why: string): ConfigError => new ConfigError("AP_CONFIG_INVALID", why);

/** An object of plain values. The values are not repeated in errors: they may be secrets. */
function valuesOf<T>(body: string, read: (key: string, value: unknown) => T): Record<string, T> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    throw bad("the body is no JSON");
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed))
    throw bad("the body is no object of names and values");
  return Object.fromEntries(Object.entries(parsed).map(([key, value]) => [key, read(key, value)]));
}

function textValue(key: string, value: unknown): string {
  if (key === "" || /[=\0]/.test(key)) throw bad(`${JSON.stringify(key)} is no name of a variable`);
  if (value === null) return "";
  if (typeof value !== "string" || value.includes("\0")) throw bad(`${key}: its value is no text`);
  return value;
}

function numberValue(key: string, value: unknown): number {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof number !== "number" || !Number.isFinite(number))
    throw bad(`${key}: its value is no number`);
  return number;
}
