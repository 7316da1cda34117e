// What a process costs, from /proc.
import { readFileSync } from "node:fs";
import { round } from "./statistics.ts";

/** USER_HZ: the unit of utime and stime in /proc, 100 on every Linux that we run on (getconf CLK_TCK). */
const TICKS_PER_SECOND = 100;

/** utime + stime, seconds. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // Fields are counted after the command's closing parenthesis, which may hold blanks: state is the third field.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

export function rssMb(pid: number): number {
  const [, kb] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return round(Number(kb) / 1024);
}
