// The runner on a real Consul: what a registration says, and that a restarted agent gets its services back.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findConsul, startConsulServer } from "../contract/consul-server.ts";
import type { ConsulUnderTest } from "../contract/consul-fixture.ts";
import { until } from "../contract/until.ts";
import { Runner } from "./runner.ts";

const found = await findConsul();
if ("why" in found) console.warn(`skipped: no real Consul here (${found.why})`);

describe.skipIf("why" in found)("on Consul 1.8.7", () => {
  let consul: ConsulUnderTest;
  beforeAll(async () => {
    if ("argv" in found) consul = await startConsulServer(found.argv);
  });
  afterAll(() => consul[Symbol.asyncDispose]());

  const get = async <T>(path: string): Promise<T> =>
    (await (await fetch(`${consul.url}${path}`)).json()) as T;

  type Check = { Status: string; Definition?: object };
  const passing = async (name: string): Promise<boolean> =>
    (await get<unknown[]>(`/v1/health/service/${name}?passing`)).length > 0;

  test("registers all that was configured; comes back to an agent that was restarted; watches by tag", async () => {
    await using runner = new Runner(
      `watches: [{ name: "web", interval: 1, tag: "blue" }],
       jobs: [
        { name: "web", exec: "sleep 600", port: 8080, interfaces: "static:10.0.0.7", tags: ["blue"], initial_status: "passing",
          consul: { enableTagOverride: true, deregisterCriticalServiceAfter: "90m" },
          health: { exec: "true", interval: 1, ttl: 10 } },
        { name: "onWeb", exec: ["sh", "-c", "echo web $AUTOPILOT_WATCH_ALL"], when: { source: "watch.web", each: "healthy" } },
      ]`,
      { catalogue: `consul: "${consul.url}"` },
    );
    runner.start();
    await until("it is registered", () => passing("web"));
    const services = await get<Record<string, unknown>>("/v1/agent/services");
    expect(Object.values(services)).toMatchObject([
      { Service: "web", Address: "10.0.0.7", Port: 8080, Tags: ["blue"], EnableTagOverride: true },
    ]);
    await runner.says(/onWeb \d+ web 10\.0\.0\.7:8080$/);
    // Its own persistence would bring the service back: a restart without the runner's word must not be the proof.
    const [id = ""] = Object.keys(services);
    await consul.restart();
    await fetch(`${consul.url}/v1/agent/service/deregister/${id}`, { method: "PUT" });
    await until("it is back", () => passing("web"));
    const checks = await get<Record<string, Check>>("/v1/agent/checks");
    expect(checks[`service:${id}`]).toMatchObject({ Status: "passing" });
    expect((await runner.stop()).code).toBe(0);
    expect(await get<object>("/v1/agent/services")).toEqual({});
  });
});
