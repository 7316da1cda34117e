// Runs the real command line to its end, with nothing of the developer's own clusters in its environment.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export const CLI = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));

export type Answer = {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
};

export function cleanEnv(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(CONSUL_|AUTOPILOT_)/.test(name));
  return { ...Object.fromEntries(kept), ...more };
}

export async function cli(
  argv: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Answer> {
  const child = spawn(process.execPath, [CLI, ...argv], {
    cwd: options.cwd ?? "/",
    env: cleanEnv(options.env),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (data) => (stdout += String(data)));
  child.stderr.on("data", (data) => (stderr += String(data)));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}
