// Before the runner runs it replaces its own image, once: by Node with a small heap, and where it is PID 1, behind an
// init. Node waits only for children of its own: orphans that the kernel gives to PID 1 would stay zombies for ever.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { SMALL_HEAP, smallHeapEnv } from "../small-heap.ts";

/** Names the variables that this image set, for the next one to take away again: jobs must not inherit them. */
const MARK = "AUTOPILOT_RUNNER_IMAGE";

/** What reaps for whoever cannot, and how each is told to forward signals to its one child only. */
const INITS: readonly (readonly [program: string, ...args: string[]])[] = [
  ["tini", "--"],
  ["docker-init", "--"],
  ["catatonit", "--"],
  ["dumb-init", "--single-child", "--"],
];

/**
 * An init of one sentence, for images without one: any POSIX shell collects orphans while it waits. It forwards the
 * signals that mean something to us, and ends with our code.
 */
const SHELL_INIT = `"$@" & p=$!
for s in HUP INT TERM USR1 USR2; do trap "kill -$s $p 2>/dev/null" $s; done
while :; do
  wait $p; c=$?
  kill -0 $p 2>/dev/null || { wait $p 2>/dev/null; d=$?; [ $d -ne 127 ] && c=$d; exit $c; }
done`;

export type Image = {
  /** PID 1, and nothing on this machine that could be in our place. */
  readonly isBareInit: boolean;
};

/** Does not return where the image is replaced. */
export function settleImage(entry: string, argv: readonly string[], env: NodeJS.ProcessEnv): Image {
  const mark = env[MARK];
  if (mark === undefined && process.execve !== undefined) {
    const own = Object.entries(smallHeapEnv(env)).filter(([name]) => env[name] === undefined);
    const names = own.map(([name]) => name).join(",");
    const node = [process.execPath, ...SMALL_HEAP, entry, ...argv];
    const [file = "", ...args] = process.pid === 1 ? behindInit(node, env) : node;
    process.execve(file, [file, ...args], {
      ...(env as Record<string, string>),
      ...Object.fromEntries(own),
      [MARK]: `set:${names}`,
    });
  }
  for (const name of [MARK, ...(mark ?? "").replace("set:", "").split(",")])
    if (name !== "") Reflect.deleteProperty(env, name);
  return { isBareInit: process.pid === 1 };
}

/** The command line behind the best init that there is. */
function behindInit(node: readonly string[], env: NodeJS.ProcessEnv): readonly string[] {
  for (const [program, ...args] of INITS) {
    const path = find(program, env);
    if (path !== null) return [path, ...args, ...node];
  }
  const shell = find("sh", env);
  return shell === null ? node : [shell, "-c", SHELL_INIT, "init", ...node];
}

function find(program: string, env: NodeJS.ProcessEnv): string | null {
  const places = [...(env["PATH"] ?? "").split(delimiter), "/sbin", "/usr/bin", "/bin", "/"];
  for (const place of places.filter((dir) => dir.startsWith("/"))) {
    const path = join(place, program);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      continue; // not there: the next place
    }
  }
  return null;
}
