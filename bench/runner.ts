// What the runner costs and how fast it is, on a real Consul where there is one (the embedded agent otherwise), beside a
// shell loop with curl; and the figures of ContainerPilot 3.8.0, measured elsewhere on a machine of 2 cores, for reference.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, consulAt, type Consul } from "../src/consul/client.ts";
import { startDevAgent } from "../src/consul/dev-agent/start.ts";
import { findConsul, startConsulServer } from "../test/contract/consul-server.ts";
import { until } from "../test/contract/until.ts";
import { Runner } from "../test/runner/runner.ts";
import type { Progress } from "./outage.ts";
import { cpuSeconds, rssMb } from "./process-cost.ts";
import { spreadOf } from "./statistics.ts";

/** ContainerPilot 3.8.0: at its fastest setting (1 s), and at the usual 10 s. */
const ORIGINAL = {
  changeToJobMs: {
    interval1s: { median: 538, max: 931 },
    interval10s: { median: 5178, max: 9815 },
  },
  failingCheckVisibleMs: "the TTL (3000 at a TTL of 3 s)",
  sigtermToExitMs: 5030,
  idle: { rssMb: 14, cpuPercent: 0.17 },
};

export async function benchRunner(
  { rounds, seconds }: { readonly rounds: number; readonly seconds: number },
  progress: Progress,
): Promise<unknown> {
  await using stack = new AsyncDisposableStack();
  const { url, what } = await startCatalogue(stack);
  const consul = connect(consulAt(url));
  stack.defer(() => consul.close());
  progress(`runner: on ${what}`);
  const changeToJobMs = await measureChanges(consul, url, rounds);
  progress("runner: changes done");
  const shellLoop = await measureShell(consul, url, Math.min(rounds, 10));
  progress("runner: shell loop done");
  return {
    catalogue: what,
    changeToJobMs,
    shellLoopWithCurlMs: shellLoop,
    failingCheckVisibleMs: await measureChecks(consul, url, Math.min(rounds, 5)),
    sigtermToExitMs: await measureExit(Math.min(rounds, 10)),
    burst: await measureBurst(consul, url),
    idle: await measureIdle(url, seconds),
    containerpilot380: ORIGINAL,
  };
}

async function startCatalogue(stack: AsyncDisposableStack) {
  const found = await findConsul();
  if ("argv" in found) {
    const server = stack.use(await startConsulServer(found.argv));
    return { url: server.url, what: "Consul 1.8.7" };
  }
  const dir = mkdtempSync(join(tmpdir(), "autopilot-bench-"));
  stack.defer(() => rmSync(dir, { recursive: true }));
  const agent = stack.use(await startDevAgent({ port: 0, file: join(dir, "keys") }));
  return { url: agent.url, what: "the embedded agent" };
}

const service = (port: number) => ({
  id: `db-${port}`,
  name: "db",
  address: "10.1.0.1",
  port,
  tags: [],
  meta: {},
});

/** From the register's answer to the job's own time stamp. */
async function measureChanges(consul: Consul, url: string, rounds: number): Promise<unknown> {
  await using runner = new Runner(
    `watches: [{ name: "db", interval: 1 }], jobs: [
      { name: "app", exec: "sleep 6000" },
      { name: "onDb", exec: ["sh", "-c", "date +%s%N >> DIR/changed"], when: { source: "watch.db", each: "changed" } },
      { name: "noDb", exec: ["sh", "-c", "echo > DIR/watching"], when: { source: "watch.db", once: "unhealthy" } },
    ]`,
    { catalogue: `consul: "${url}"` },
  );
  runner.start();
  await runner.written("watching");
  const took = await changeRounds(consul, rounds, () => runner.read("changed"));
  await runner.stop();
  return spreadOf(took);
}

async function changeRounds(
  consul: Consul,
  rounds: number,
  stamps: () => string,
): Promise<readonly number[]> {
  const took: number[] = [];
  for (let i = 1; i <= rounds; i++) {
    const before = stamps().split("\n").length;
    const isOdd = i % 2 === 1;
    if (isOdd) await consul.directory.register(service(1), null);
    else await consul.directory.deregister("db-1");
    const answered = Date.now();
    await until("the job has run", () => stamps().split("\n").length > before);
    const stamp = stamps().trim().split("\n").at(-1) ?? "0";
    took.push(Number(BigInt(stamp) / 1_000_000n) - answered);
    // A random phase, so that no poll is met on its foot.
    await sleep(Math.random() * 200);
  }
  if (rounds % 2 === 1) await consul.directory.deregister("db-1");
  return took;
}

/** What one writes without a runner: asks each second, and compares. */
async function measureShell(consul: Consul, url: string, rounds: number): Promise<unknown> {
  const dir = mkdtempSync(join(tmpdir(), "autopilot-shell-"));
  const stamps = (): string => readFileSync(join(dir, "changed"), "utf8");
  writeFileSync(join(dir, "changed"), "");
  const script = `old=; while :; do new=$(curl -s "${url}/v1/catalog/service/db"); [ "$new" = "$old" ] || date +%s%N >> changed; old=$new; sleep 1; done`;
  const child = spawn("sh", ["-c", script], { cwd: dir, stdio: "ignore" });
  try {
    await until("the loop runs", () => stamps() !== "");
    return spreadOf(await changeRounds(consul, rounds, stamps));
  } finally {
    child.kill("SIGKILL");
    rmSync(dir, { recursive: true });
  }
}

/** From the check's own end to the catalogue's answer. */
async function measureChecks(consul: Consul, url: string, rounds: number): Promise<unknown> {
  const took: number[] = [];
  for (let i = 0; i < rounds; i++) {
    await using runner = new Runner(
      `jobs: [{ name: "web", exec: "sleep 6000", port: 80, interfaces: "static:10.0.0.7", initial_status: "passing",
        health: { exec: ["sh", "-c", "date +%s%N > DIR/failed; exit 1"], interval: 1, ttl: 60 } }]`,
      { catalogue: `consul: "${url}"` },
    );
    runner.start();
    await until("it is critical", async () => {
      const [found] = await consul.directory.instances("web");
      return found?.status === "critical";
    });
    took.push(Date.now() - Number(BigInt(runner.read("failed").trim()) / 1_000_000n));
    await runner.stop();
  }
  return spreadOf(took);
}

async function measureExit(rounds: number): Promise<unknown> {
  const took: number[] = [];
  for (let i = 0; i < rounds; i++) {
    await using runner = new Runner(
      `jobs: [{ name: "app", exec: ["sh", "-c", "echo > DIR/up; exec sleep 6000"] }]`,
    );
    runner.start();
    await runner.written("up");
    const asked = performance.now();
    const { code } = await runner.stop();
    if (code !== 0) throw new Error(`it ended with ${code}: ${runner.output}`);
    took.push(performance.now() - asked);
  }
  return spreadOf(took);
}

const BURST = 10_000;

/** Writes of a watched key, and how long a ping takes meanwhile. */
async function measureBurst(consul: Consul, url: string): Promise<unknown> {
  await using runner = new Runner(
    `watches: [{ name: "k", key: "burst", recurse: true }], jobs: [
      { name: "app", exec: "sleep 6000" },
      { name: "onKey", exec: ["sh", "-c", "echo $AUTOPILOT_WATCH_COUNT > DIR/seen"], when: { source: "watch.k", each: "changed" } },
    ]`,
    { catalogue: `consul: "${url}"` },
  );
  runner.start();
  await runner.says("control: serving at");
  const pings: number[] = [];
  for (let i = 0; i < BURST; i += 64) {
    const ops = Array.from(
      { length: 64 },
      (_, j) => ({ do: "set", key: `burst/${(i + j) % 50}`, value: `${i}` }) as const,
    );
    await consul.kv.commit(ops);
    if (i % 1_024 !== 0) continue;
    const asked = performance.now();
    await runner.control("/v3/ping");
    pings.push(performance.now() - asked);
  }
  await consul.kv.commit([{ do: "set", key: "burst/last", value: "" }]);
  await until("the last state was seen", () => runner.read("seen").trim() === "51");
  await consul.kv.commit([{ do: "delete-tree", key: "burst/" }]);
  await runner.stop();
  return { writes: BURST, pingMs: spreadOf(pings), lastStateSeen: true };
}

async function measureIdle(url: string, seconds: number): Promise<unknown> {
  await using runner = new Runner(
    `jobs: [{ name: "web", exec: "sleep 6000", port: 80, interfaces: "static:10.0.0.7",
      health: { exec: "true", interval: 1, ttl: 10 } }]`,
    { catalogue: `consul: "${url}"` },
  );
  runner.start();
  await runner.says("control: serving at");
  await sleep(3_000); // what happens at the start is not idle
  const before = cpuSeconds(runner.pid);
  await sleep(seconds * 1_000); // the measurement itself
  const cpuPercent = Math.round(((cpuSeconds(runner.pid) - before) / seconds) * 10_000) / 100;
  const result = { seconds, cpuPercent, rssMb: rssMb(runner.pid) };
  await runner.stop();
  return result;
}
