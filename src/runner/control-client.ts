// Asks a runner over its control socket, for the flags of the binary.
import { ConfigError, UnavailableError, messageOf } from "../errors.ts";

// Importing node:http as a module evaluates its lazy exports, WebSocket among them: 13 MB that nobody uses.
const { request } = process.getBuiltinModule("node:http");

/** A reload reads and checks the configuration before it answers. */
const LIMIT_MS = 30_000;

/** Errors: UnavailableError AP_CONTROL_UNREACHABLE, ConfigError AP_CONFIG_INVALID (it was refused, and why). */
export async function askRunner(socket: string, path: string, body?: object): Promise<string> {
  const { status, text } = await post(socket, path, body === undefined ? "" : JSON.stringify(body));
  if (status === 200) return text;
  const { error = text, problems = [] } = parsed(text);
  throw new ConfigError("AP_CONFIG_INVALID", `${path}: ${error}`, { problems });
}

function post(
  socketPath: string,
  path: string,
  body: string,
): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      const why = `the control socket ${socketPath} does not answer: ${messageOf(error)}`;
      const hint = "is the runner up, and is it this configuration's?";
      reject(new UnavailableError("AP_CONTROL_UNREACHABLE", why, { hint }));
    };
    const signal = AbortSignal.timeout(LIMIT_MS);
    const asked = request(
      { socketPath, path, method: "POST", signal, agent: false },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => (text += chunk));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
        response.on("error", failed);
      },
    );
    asked.on("error", failed);
    asked.end(body);
  });
}

function parsed(text: string): { readonly error?: string; readonly problems?: readonly string[] } {
  try {
    return JSON.parse(text) as { error?: string; problems?: string[] };
  } catch {
    return {}; // not one of ours: its text is shown
  }
}
