// The processes of one local cluster, found by the one thing that only they have: the cluster's temporary directory in
// their command line. So cleaning up needs no trust in what is tested, and never touches a process of anybody else.
import { readdirSync, readFileSync } from "node:fs";
import { until } from "./until.ts";

export type Found = { readonly pid: number; readonly argv: readonly string[] };

/** All living processes (no zombies) that name `dir` in their command line. */
export function processesOf(dir: string): readonly Found[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      const argv = argvOf(Number(name));
      return argv.some((word) => word.includes(dir)) ? [{ pid: Number(name), argv }] : [];
    });
}

function argvOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return []; // ended between the listing and the look
  }
}

/** Only the servers of the nodes. */
export function mysqldsOf(dir: string): readonly Found[] {
  return processesOf(dir).filter(({ argv }) => argv.some((word) => /(^|\/)mysqld$/.test(word)));
}

/** Only the agents: `autopilot run -c FILE`. */
export function agentsOf(dir: string): readonly Found[] {
  return processesOf(dir).filter(
    ({ argv }) => argv.includes("run") && argv.some((word) => /cli\.(ts|js)$/.test(word)),
  );
}

/** Alive, and not a zombie that waits for its parent. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return !["Z", "X"].includes(stat.slice(stat.lastIndexOf(")") + 2)[0] ?? "X");
  } catch {
    return false; // no such process
  }
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // gone already: what was wanted
  }
}

/** SIGKILLs all of them, again and again while new ones appear, until none is left. */
export async function killAll(dir: string): Promise<void> {
  await until(`no process of ${dir} is left`, () => {
    const left = processesOf(dir);
    for (const { pid } of left) signal(pid, "SIGKILL");
    return left.length === 0;
  });
}
