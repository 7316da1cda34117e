// The command of a target, after its file has changed: through the shell, with a limit, ended with its whole group.
import { once } from "node:events";
import { UnavailableError } from "../errors.ts";
import { launch, signalGroup } from "../runtime/launch.ts";

export type Running = { readonly timeoutMs: number; readonly signal: AbortSignal };

/** Resolves when it has ended with 0. Errors: UnavailableError AP_RENDER_COMMAND says how it ended. */
export async function runCommand(command: string, { timeoutMs, signal }: Running): Promise<void> {
  // It speaks to a server of the user's, in the user's surroundings; only our own way into Consul is not its business.
  const { CONSUL_HTTP_TOKEN: _, ...env } = process.env as Record<string, string>;
  const launched = await launch(`command ${JSON.stringify(command)}`, {
    argv: ["/bin/sh", "-c", command],
    env,
    output: "inherit",
  });
  if (!launched.ok) throw launched.error;
  const { child, pid } = launched;
  let late = false;
  const end = (): void => signalGroup(pid, "SIGKILL");
  const timer = setTimeout(() => {
    late = true;
    end();
  }, timeoutMs);
  signal.addEventListener("abort", end, { once: true });
  try {
    const [code, killedBy] = (await once(child, "exit")) as [number | null, string | null];
    if (code === 0) return;
    const how = killedBy === null ? `it exited with ${code}` : `it was ended by ${killedBy}`;
    const why = late ? `it was ended after its limit of ${timeoutMs} ms` : how;
    throw new UnavailableError("AP_RENDER_COMMAND", `command ${JSON.stringify(command)}: ${why}`);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
  }
}
