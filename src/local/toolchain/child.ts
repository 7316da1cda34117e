// How this module runs other programs: never a shell, never our stdin, always bounded, output kept.
import { spawn } from "node:child_process";
import { constants, accessSync, realpathSync, statSync } from "node:fs";
import { basename, delimiter, dirname, isAbsolute, join } from "node:path";

/** What every step of a search needs to know of its surroundings. */
export type Surroundings = {
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
};

export type Outcome = {
  readonly ok: boolean;
  /** stdout and stderr as they came, interleaved. */
  readonly output: string;
  /** Empty when ok, else one line: "exit code 100", "timed out after 30 s", "ENOENT". */
  readonly why: string;
};

/**
 * Runs `argv` to its end. A failing program is an outcome, not an exception.
 * Throws only the signal's reason, after the child was told to end.
 */
export async function run(
  argv: readonly string[],
  around: Surroundings,
  limits: { readonly timeoutMs: number; readonly cwd?: string },
): Promise<Outcome> {
  around.signal.throwIfAborted();
  const [file = "", ...args] = argv;
  const child = spawn(file, args, {
    // LC_ALL: the output is parsed, and looked through for apt's messages.
    env: { ...around.env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" },
    cwd: limits.cwd ?? "/",
    stdio: ["ignore", "pipe", "pipe"],
    signal: around.signal,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  let late = false;
  const limit = setTimeout(() => (late = child.kill()), limits.timeoutMs);
  const why = await new Promise<string>((resolve) => {
    child.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    child.once("close", (code, signal) =>
      resolve(code === 0 ? "" : (signal ?? `exit code ${code}`)),
    );
  });
  clearTimeout(limit);
  around.signal.throwIfAborted();
  if (late) return { ok: false, output, why: `timed out after ${limits.timeoutMs / 1000} s` };
  return { ok: why === "", output, why };
}

/**
 * All executables called `program` that PATH offers, best first, each file once. After PATH itself come the
 * `sbin` siblings of its `bin` directories: Debian leaves /usr/sbin, where mysqld lives, out of a user's PATH.
 */
export function programsOnPath(program: string, env: NodeJS.ProcessEnv): readonly string[] {
  const listed = (env["PATH"] ?? "").split(delimiter).filter(isAbsolute);
  const siblings = listed
    .filter((dir) => basename(dir) === "bin")
    .map((dir) => join(dirname(dir), "sbin"));
  const byFile = new Map<string, string>();
  for (const dir of [...listed, ...siblings]) {
    const path = join(dir, program);
    if (!isExecutable(path)) continue;
    const file = realpathSync(path);
    if (!byFile.has(file)) byFile.set(file, path);
  }
  return [...byFile.values()];
}

/** Whether `path` is a file (through links) that this user may execute. */
export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false; // not there, or not ours: for the caller both mean "look elsewhere"
  }
}
