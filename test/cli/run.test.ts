import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ask } from "../../src/local/ask.ts";
import { anyFreePort } from "../../src/local/ports.ts";
import { isRunning } from "../../src/local/process.ts";
import { until } from "../runtime/manual-clock.ts";
import { cleanEnv } from "./cli.ts";

type Line = Readonly<Record<string, unknown>>;
type Status = { readonly children: readonly { readonly name: string; readonly pid: number }[] };

const FIXTURE = join(import.meta.dirname, "agent-fixture.ts");
let dir = "";
let httpPort = 0;
const agents: ChildProcess[] = [];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "autopilot-run-"));
  httpPort = await anyFreePort();
});
afterEach(() => {
  for (const agent of agents.splice(0)) agent.kill("SIGKILL");
  rmSync(dir, { recursive: true });
});

const socket = (): string => join(dir, "data", "control.sock");

/** An agent whose Consul is nowhere: the loop turns all the same. */
function run(fault = "") {
  const file = join(dir, "node.json5");
  const node = {
    name: "n1",
    cluster: "main",
    dir: "data",
    host: "127.0.0.1",
    bind: "127.0.0.1",
    httpPort,
  };
  writeFileSync(
    file,
    JSON.stringify({ recipe: "sleeper", node, consul: { address: "127.0.0.1:1" } }),
  );
  const agent = spawn(process.execPath, [FIXTURE, file, fault], {
    env: cleanEnv(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  agents.push(agent);
  const lines: Line[] = [];
  let stderr = "";
  createInterface({ input: agent.stdout }).on("line", (line) =>
    lines.push(JSON.parse(line) as Line),
  );
  agent.stderr.on("data", (data) => (stderr += String(data)));
  const ended = once(agent, "close").then(([code, signal]) => (code ?? signal) as number | string);
  return {
    agent,
    lines,
    ended,
    stderr: () => stderr,
    says: (msg: string) => lines.some((l) => l["msg"] === msg),
  };
}

async function sleeper(): Promise<number> {
  const { children } = await ask<Status>({
    socket: socket(),
    path: "/v1/status",
    timeoutMs: 10_000,
  });
  const pid = children.find(({ name }) => name === "sleep")?.pid ?? 0;
  expect(isRunning(pid)).toBe(true);
  return pid;
}

test("an agent runs its recipe, answers on its port and socket, and stops in order on SIGTERM", async () => {
  const { agent, ended, lines, says } = run();
  await until("it sleeps", () => says("sleeping"));
  const pid = await sleeper();
  const liveness = await fetch(`http://127.0.0.1:${httpPort}/liveness`);
  expect([liveness.status, await liveness.json()]).toMatchObject([200, { alive: true }]);
  expect((await fetch(`http://127.0.0.1:${httpPort}/ticks`)).status).toBe(200);
  agent.kill("SIGTERM");
  agent.kill("SIGINT");
  expect(await ended).toBe(0);
  expect(isRunning(pid)).toBe(false);
  expect(readdirSync(join(dir, "data"))).toEqual([]);
  expect(lines.at(-1)).toMatchObject({
    msg: "stopped",
    cluster: "main",
    node: "n1",
    role: "replica",
  });
  const actions = lines.filter(({ action }) => action !== undefined).map(({ action }) => action);
  expect(actions).toEqual(["start", "stop"]);
});

test("an agent stops on the word over its control socket", async () => {
  const { ended, says } = run();
  await until("it sleeps", () => says("sleeping"));
  await ask({ socket: socket(), method: "POST", path: "/v1/stop", timeoutMs: 10_000 });
  expect(await ended).toBe(0);
});

test("a second agent of the same node ends at once, and the first does not notice", async () => {
  const first = run();
  await until("it sleeps", () => first.says("sleeping"));
  const pid = await sleeper();
  const second = run();
  expect(await second.ended).toBe(1);
  expect(second.stderr()).toContain("AP_NODE_RUNNING");
  expect(isRunning(pid)).toBe(true);
  first.agent.kill("SIGTERM");
  expect(await first.ended).toBe(0);
});

test.each([
  ["invariant", "two primaries"],
  ["rejection", "nobody awaits this"],
])("a bug (%s) fences, writes the black box, and exits with 70", async (fault, why) => {
  const { ended, lines } = run(fault);
  expect(await ended).toBe(70);
  const told = lines.map(({ msg }) => msg);
  expect(told).toContain(`a bug of autopilot: ${why}`);
  expect(told.indexOf("fenced")).toBeGreaterThan(told.indexOf(`a bug of autopilot: ${why}`));
  const [dump = ""] = readdirSync(join(dir, "data")).filter((name) => name.startsWith("blackbox-"));
  const box = JSON.parse(readFileSync(join(dir, "data", dump), "utf8")) as {
    why: string;
    ticks: object[];
  };
  expect(box.why).toBe(why);
  expect(box.ticks.length).toBeGreaterThan(3);
});

test("an agent that is killed with -9 takes its server along", async () => {
  const { agent, says } = run();
  await until("it sleeps", () => says("sleeping"));
  const pid = await sleeper();
  agent.kill("SIGKILL");
  await until("the server is gone", () => !isRunning(pid));
});
