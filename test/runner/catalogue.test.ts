// The runner and its catalogue: what it registers and when, what it hears, and that it comes back after being forgotten.
// On the embedded agent; real-consul.test.ts has what only the real one knows.
import { rmSync } from "node:fs";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect, consulAt, type Consul } from "../../src/consul/client.ts";
import { startDevAgent, type DevAgent } from "../../src/consul/dev-agent/start.ts";
import { until } from "../contract/until.ts";
import { Runner } from "./runner.ts";

let dir = "";
let agent: DevAgent;
let consul: Consul;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "autopilot-catalogue-"));
  agent = await startDevAgent({ port: 0, file: join(dir, "keys") });
  consul = connect(consulAt(agent.url));
});

afterAll(async () => {
  consul.close();
  await agent[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true });
});

const inCatalogue = (config: string): Runner =>
  new Runner(config, { catalogue: `consul: "${agent.url}"` });

const statusOf = async (name: string): Promise<string> =>
  (await consul.directory.instances(name))[0]?.status ?? "absent";

const becomes = (name: string, status: string): Promise<unknown> =>
  until(`${name} is ${status}`, async () => (await statusOf(name)) === status);

const sh = (script: string): string => JSON.stringify(["sh", "-c", script]);
const SERVED = `interfaces: ["static:10.0.0.7"], tags: ["blue"]`;

describe("a service", () => {
  test("appears with its first passing check, is critical as soon as one fails, and leaves before it is stopped", async () => {
    await using runner = inCatalogue(`jobs: [
      { name: "web", exec: ${sh("trap 'date +%s%N > DIR/termed; exit 0' TERM; while :; do sleep 0.05; done")}, port: 8080, ${SERVED}, drain: "300ms",
        health: { exec: ${sh("test -e DIR/well")}, interval: 1, ttl: 60 } },
      { name: "sick", exec: ${sh("echo sick")}, when: { source: "web", each: "unhealthy" } },
    ]`);
    runner.start();
    await runner.says(/web check failed: exit code 1/);
    expect(await statusOf("web")).toBe("absent");
    runner.write(""); // whatever is in the file meanwhile is nothing to the running one
    const { writeFileSync } = await import("node:fs");
    writeFileSync(join(runner.dir, "well"), "");
    await becomes("web", "passing");
    expect(await consul.directory.instances("web")).toMatchObject([
      { name: "web", address: "10.0.0.7", port: 8080, tags: ["blue"] },
    ]);
    // A TTL of a minute: it is not its end that is seen here.
    rmSync(join(runner.dir, "well"));
    await becomes("web", "critical");
    await runner.says(/sick \d+ sick/);
    const gone = becomes("web", "absent").then(() => runner.read("termed"));
    const ended = runner.stop();
    // Out of the catalogue while the process has not been told yet.
    expect(await gone).toBe("");
    expect(await ended).toEqual({ code: 0, signal: null });
    expect(runner.read("termed")).not.toBe("");
  });

  test("defect 3 and 4: it comes back after maintenance, and to a catalogue that forgot it", async () => {
    await using runner = inCatalogue(`jobs: [
      { name: "app", exec: "sleep 600", port: 81, ${SERVED}, initial_status: "warning",
        health: { exec: "true", interval: 1, ttl: 60 } },
      { name: "enters", exec: ${sh("echo enters")}, when: { each: "enterMaintenance" } },
    ]`);
    runner.start();
    await until(
      "it is there before its first check",
      async () => (await statusOf("app")) !== "absent",
    );
    await becomes("app", "passing");
    for (let i = 0; i < 2; i++) expect((await runner.ask("-maintenance", "enable")).code).toBe(0);
    await becomes("app", "absent");
    expect(await runner.control("/v3/maintenance/disable")).toEqual([200, `{"updated":true}\n`]);
    await becomes("app", "passing");
    // Asked twice, entered once.
    expect(runner.lines(/enters \d+ enters/)).toHaveLength(1);
    const [instance] = await consul.directory.instances("app");
    await consul.directory.deregister(instance?.id ?? "");
    await becomes("app", "passing");
    await runner.says("forgotten by the catalogue, registered again");
    expect((await runner.stop()).code).toBe(0);
    expect(await statusOf("app")).toBe("absent");
  });
});

describe("watches", () => {
  const service = (port: number) => ({
    id: `db-${port}`,
    name: "db",
    address: "10.1.0.1",
    port,
    tags: ["primary"],
    meta: {},
  });

  test("start jobs with what changed; keys too; a burst loses no last state and no answer", async () => {
    await using runner = inCatalogue(`
      watches: [{ name: "db", interval: 1 }, { name: "settings", key: "app/settings", recurse: true }],
      jobs: [
        { name: "app", exec: "sleep 600" },
        { name: "onDb", exec: ${sh("echo db $AUTOPILOT_WATCH_COUNT +$AUTOPILOT_WATCH_ADDED -$AUTOPILOT_WATCH_REMOVED")}, when: { source: "watch.db", each: "changed" } },
        { name: "noDb", exec: ${sh("echo without")}, when: { source: "watch.db", each: "unhealthy" } },
        { name: "onKey", exec: ${sh("echo key $AUTOPILOT_WATCH_ALL: $AUTOPILOT_WATCH_CHANGED")}, when: { source: "watch.settings", each: "changed" } },
      ]`);
    runner.start();
    // Defect 8: nothing there at the first look is told.
    await runner.says(/noDb \d+ without/);
    await consul.directory.register(service(1), null);
    await runner.says(/onDb \d+ db 1 \+10\.1\.0\.1:1 -$/);
    await consul.directory.register(service(2), null);
    await runner.says(/onDb \d+ db 2 \+10\.1\.0\.1:2 -$/);
    await consul.directory.deregister("db-1");
    await runner.says(/onDb \d+ db 1 \+ -10\.1\.0\.1:1$/);
    await consul.kv.commit([{ do: "set", key: "app/settings/a", value: "1" }]);
    await runner.says(/onKey \d+ key app\/settings\/a: *$/);
    await consul.kv.commit([{ do: "set", key: "app/settings/a", value: "2" }]);
    await runner.says(/onKey \d+ key app\/settings\/a: app\/settings\/a$/);

    for (let i = 0; i < 500; i++)
      await consul.kv.commit([{ do: "set", key: "app/settings/a", value: `${i}` }]);
    expect(await runner.control("/v3/ping")).toEqual([200, "ok\n"]);
    await consul.kv.commit([{ do: "set", key: "app/settings/last", value: "1" }]);
    await runner.says(/onKey \d+ key app\/settings\/a app\/settings\/last:/);
    expect((await runner.stop()).code).toBe(0);
    await consul.directory.deregister("db-2");
  });
});

describe("telemetry", () => {
  test("has the families, the user's metrics, the status, and a service of its own", async () => {
    const port = 20_000 + (process.pid % 20_000);
    await using runner = inCatalogue(`
      telemetry: { port: ${port}, interfaces: "static:127.0.0.1", tags: ["t"], metrics: [
        { namespace: "app", subsystem: "some", name: "counter", help: "help", type: "counter" },
        { name: "level", help: "help", type: "gauge" },
        { name: "printed", help: "help", type: "summary" },
      ] },
      watches: [{ name: "nobody", interval: 1 }],
      jobs: [
        { name: "web", exec: "sleep 600", port: 82, ${SERVED}, health: { exec: "true", interval: 1, ttl: 60 } },
        { name: "sensor", exec: "echo 12.5", metric: "printed", when: { interval: "1s" } },
      ]`);
    runner.start();
    await runner.says("telemetry: serving at");
    const get = async (path: string): Promise<string> =>
      (await fetch(`http://127.0.0.1:${port}${path}`)).text();
    expect(
      (await runner.ask("-putmetric", "app_some_counter=42", "-putmetric", "level=-1")).code,
    ).toBe(0);
    // Defects 9 and 10: the names that the documentation promises, and those that only the code took.
    expect((await runner.control("/v3/metric", `{"__level": 7}`))[0]).toBe(200);
    const [status, why] = await runner.control("/v3/metric", `{"app_some_counter": -1}`);
    expect([status, why]).toEqual([422, expect.stringContaining("it cannot go down")]);
    expect((await runner.control("/v3/metric", `{"level": "x"}`))[0]).toBe(422);
    await becomes("web", "passing");
    const text = await until("the sensor's number is there", async () => {
      const all = await get("/metrics");
      return all.includes("printed_sum") && !all.includes("printed_sum 0") ? all : null;
    });
    expect(text).toContain("app_some_counter 42\n");
    expect(text).toContain("level 7\n");
    expect(text).toMatch(/^containerpilot_events\{code="healthy",source="web"\} 1$/m);
    expect(text).toMatch(
      /^containerpilot_control_http_requests\{code="422",path="\/v3\/metric"\} 2$/m,
    );
    expect(text).toMatch(/^containerpilot_watch_instances\{service="nobody"\} 0$/m);
    expect(text).toMatch(/^process_resident_memory_bytes /m);
    expect(JSON.parse(await get("/status"))).toEqual({
      Version: expect.any(String),
      Jobs: [{ Name: "sensor", Status: "unknown" }],
      Services: [
        { Name: "web", Address: "10.0.0.7", Port: 82, Status: "healthy" },
        { Name: "containerpilot", Address: "127.0.0.1", Port: port, Status: expect.any(String) },
      ],
      Watches: ["nobody"],
    });
    await becomes("containerpilot", "passing");
    expect((await runner.stop()).code).toBe(0);
    expect(await statusOf("containerpilot")).toBe("absent");
  });
});
