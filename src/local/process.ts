// What the kernel says of other processes on this machine (Linux: /proc, proc(5)). Elsewhere only whether one runs.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export type ProcessFacts = {
  readonly parent: number;
  /** "R" running, "S" sleeping, "T" stopped by a signal, …; proc(5). */
  readonly state: string;
  /** Start time in the kernel's ticks: with it a pid is unique, because pids are used again. */
  readonly startTime: string;
};

/** Null: no such process, or a zombie, or no /proc to ask. */
export function processFacts(pid: number): ProcessFacts | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // Field 2 is the program's name in parentheses and may hold anything; the fields after it are regular.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z" || fields[0] === "X") return null;
    return { parent: Number(fields[1]), state: fields[0] ?? "", startTime: fields[19] ?? "" };
  } catch {
    return null; // gone, or not Linux
  }
}

/** Whether a process with this number runs; a zombie does not, where the kernel tells. */
export function isRunning(pid: number): boolean {
  if (process.platform === "linux") return processFacts(pid) !== null;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Of a process that ends, the first thread may be a zombie while others still hold its files and ports. */
export function threadsOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/task`).length;
  } catch {
    return 0; // gone, or not Linux
  }
}

/** Pids of all processes that name something below `dir` in their command line: those of a node, by its directory. */
export function processesBelow(dir: string): readonly number[] {
  const within = dir.endsWith("/") ? dir : `${dir}/`;
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => commandLine(pid).some((word) => word.includes(within)))
    .filter(isRunning);
}

export function commandLine(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return []; // ended between the listing and the look
  }
}

/** "mysqld (pid 123)" for whoever listens on a TCP port of this machine; null where that cannot be seen. */
export function listenerOf(port: number): string | null {
  const inodes = new Set([...socketsOn(port, "tcp"), ...socketsOn(port, "tcp6")]);
  if (inodes.size === 0) return null;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    if (socketsOf(pid).some((inode) => inodes.has(inode)))
      return `${readFileSync(`/proc/${pid}/comm`, "utf8").trim()} (pid ${pid})`;
  }
  return null;
}

function socketsOn(port: number, table: string): readonly string[] {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  try {
    return (
      readFileSync(`/proc/net/${table}`, "latin1")
        .split("\n")
        .map((line) => line.trim().split(/\s+/))
        // Column 1 is the local address, 3 the state (0A: LISTEN), 9 the inode.
        .filter((columns) => columns[1]?.endsWith(`:${hex}`) && columns[3] === "0A")
        .flatMap((columns) => columns[9] ?? [])
    );
  } catch {
    return []; // not Linux
  }
}

function socketsOf(pid: string): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      const link = linkOf(`/proc/${pid}/fd/${fd}`);
      return /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? [];
    });
  } catch {
    return []; // another user's, or gone: its owner stays unknown
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // closed between the two looks
  }
}
