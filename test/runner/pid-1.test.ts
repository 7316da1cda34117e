// As PID 1 of a namespace of its own, as in a container without an init: orphans are collected, signals arrive, the exit
// code is the job's.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { until } from "../contract/until.ts";
import { Runner } from "./runner.ts";

const NAMESPACE = ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child"];

function canUnshare(): boolean {
  try {
    execFileSync(NAMESPACE[0] ?? "", [...NAMESPACE.slice(1), "true"], { stdio: "ignore" });
    return true;
  } catch {
    console.warn("skipped: this machine lets us make no PID namespace; PID 1 is not tested here");
    return false;
  }
}

const sh = (script: string): string => JSON.stringify(["sh", "-c", script]);

/** Zombies below a process of ours, by their parent. */
function zombiesOf(parent: number): number {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
        const [state, ppid] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        return state === "Z" && Number(ppid) === parent;
      } catch {
        return false; // gone meanwhile
      }
    }).length;
}

function childOf(parent: number): number {
  return Number(
    readFileSync(`/proc/${parent}/task/${parent}/children`, "utf8").trim().split(" ")[0],
  );
}

describe.skipIf(!canUnshare())("PID 1", () => {
  test("collects the orphans of its jobs and checks, forwards signals, ends with the job's code", async () => {
    await using runner = new Runner(`jobs: [
      { name: "orphans", exec: ${sh("for i in 1 2 3 4 5 6 7 8 9 10; do setsid sh -c 'sleep 0.1 & exit' & done; wait; sleep 0.3; echo orphaned; sleep 600")},
        health: { exec: ${sh("setsid sleep 0.1 & exit 0")}, interval: 1, ttl: 5 } },
      { name: "healthy", exec: ${sh("echo checked")}, when: { source: "orphans", once: "healthy" } },
      { name: "onHup", exec: ${sh("echo hup")}, when: { source: "SIGHUP" } },
      { name: "fails", exec: ${sh("exit 4")} },
    ]`);
    runner.start({}, { before: NAMESPACE });
    await runner.says(/orphaned$/);
    await runner.says(/checked$/);
    const init = childOf(runner.pid);
    await until("no zombie is left", () => zombiesOf(init) === 0);
    process.kill(init, "SIGHUP");
    await runner.says(/hup$/);
    process.kill(init, "SIGTERM");
    expect(await runner.ended).toEqual({ code: 4, signal: null });
  });
});
