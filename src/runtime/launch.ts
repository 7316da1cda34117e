// Starts one process: in a session of its own, tied to our life (setpriv.ts), with a small environment and no stdin.
// What cannot be started is an outcome with a reason, not an exception.
import { spawn, type ChildProcess, type StdioOptions } from "node:child_process";
import { accessSync, closeSync, constants, openSync } from "node:fs";
import { delimiter, join } from "node:path";
import { once } from "node:events";
import { UnavailableError, messageOf } from "../errors.ts";
import { hasLifeline, withLifeline, type User } from "./setpriv.ts";

export type ChildSpec = {
  readonly argv: readonly string[];
  /** On top of PATH, HOME, LANG, LC_ALL, TZ and TMPDIR: the agent's other variables (tokens) are not handed on. */
  readonly env?: Readonly<Record<string, string>>;
  /** Hands on all of our variables; for our own agents only. */
  readonly allEnv?: true;
  /** What it gets when we die; default KILL. */
  readonly whenOrphaned?: "KILL" | "TERM";
  readonly cwd?: string;
  /** Where stdout and stderr are appended; "inherit": the agent's own; "pipe": to be read by us; "discard". */
  readonly output: { readonly file: string } | "inherit" | "pipe" | "discard";
  /** "pipe": stdin is to be written by us; default: none. */
  readonly input?: "pipe";
  /** Drops to this user and group (numbers). */
  readonly user?: User;
};

/** A signal to a whole process group that `launch` made; a group that is gone is what was wanted. */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

export type Launched =
  | { readonly ok: true; readonly child: ChildProcess; readonly pid: number }
  | { readonly ok: false; readonly error: UnavailableError };

/** Spawns `spec.argv`; `name` is its name in messages. */
export async function launch(name: string, spec: ChildSpec): Promise<Launched> {
  const refused = (why: string): Launched => ({
    ok: false,
    error: new UnavailableError("AP_SPAWN_FAILED", `start ${name}: ${why}`),
  });
  const env = { ...(spec.allEnv ? process.env : inheritedEnv()), ...spec.env };
  const program = spec.argv[0] ?? "";
  // setpriv would tell of a missing program only by its exit code.
  if (!canRun(program, env["PATH"] ?? "")) return refused(`${program}: no such program`);
  const as = spec.user === undefined ? {} : { user: spec.user };
  const signal = spec.whenOrphaned ?? "KILL";
  const [file = "", ...args] = await withLifeline(spec.argv, { signal, ...as });
  let fd: number | null = null;
  try {
    if (typeof spec.output === "object") fd = openSync(spec.output.file, "a", 0o640);
    const cwd = spec.cwd === undefined ? {} : { cwd: spec.cwd };
    const stdio = stdioOf(spec, fd);
    // Without setpriv Node changes the user itself; it must never run as us.
    const ids = spec.user === undefined || (await hasLifeline()) ? {} : idsOf(spec.user);
    const child = spawn(file, args, { env, ...cwd, ...ids, stdio, detached: true });
    if (child.pid === undefined) return refused(messageOf((await once(child, "error"))[0]));
    return { ok: true, child, pid: child.pid };
  } catch (error) {
    return refused(messageOf(error));
  } finally {
    if (fd !== null) closeSync(fd);
  }
}

function idsOf({ uid, gid }: User): { readonly uid: number; readonly gid: number } {
  return { uid, gid };
}

function stdioOf({ output, input }: ChildSpec, fd: number | null): StdioOptions {
  const to = output === "inherit" || output === "pipe" ? output : (fd ?? "ignore");
  return [input ?? "ignore", to, to];
}

/** What any program may need of our environment, and nothing that could be a secret. */
export function inheritedEnv(): Record<string, string> {
  const kept = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"];
  return Object.fromEntries(
    kept.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

function canRun(program: string, path: string): boolean {
  const places = program.includes("/")
    ? [program]
    : path.split(delimiter).map((dir) => join(dir, program));
  return places.some((place) => {
    try {
      accessSync(place, constants.X_OK);
      return true;
    } catch {
      return false; // not there, or not executable by us: the next place
    }
  });
}
