// The contract on the embedded development agent, and what only it promises: its file, its limits, its loopback.
import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { connect, consulAt } from "../../src/consul/client.ts";
import { startDevAgent, type DevAgent } from "../../src/consul/dev-agent/start.ts";
import { consulContract } from "./consul.contract.ts";
import { dnsContract, type DnsUnderTest } from "./dns.contract.ts";

async function startUnderTest(): Promise<DnsUnderTest> {
  const dir = await mkdtemp(join(tmpdir(), "autopilot-dev-agent-"));
  const file = join(dir, "kv.log");
  let agent: DevAgent = await startDevAgent({ port: 0, file, dnsPort: 0 });
  const { url, port, dnsPort } = agent;
  return {
    url,
    dnsPort: dnsPort ?? 0,
    async restart() {
      await agent[Symbol.asyncDispose]();
      agent = await startDevAgent({ port, file });
    },
    async [Symbol.asyncDispose]() {
      await agent[Symbol.asyncDispose]();
      await rm(dir, { recursive: true });
    },
  };
}

consulContract("the development agent", startUnderTest);
dnsContract("the development agent", startUnderTest);

describe("the development agent", () => {
  async function place(): Promise<string> {
    const dir = await mkdtemp(join(tmpdir(), "autopilot-dev-agent-"));
    onTestFinished(() => rm(dir, { recursive: true }));
    return join(dir, "deeper", "kv.log");
  }

  async function filled(file: string, count: number): Promise<void> {
    await using agent = await startDevAgent({ port: 0, file });
    const { kv, close } = connect(consulAt(agent.url));
    for (let at = 0; at < count; at++)
      await kv.commit([{ do: "set", key: `k/${at}`, value: `v${at}` }]);
    close();
  }

  async function keysIn(file: string, log?: (line: string) => void): Promise<string[]> {
    await using agent = await startDevAgent({ port: 0, file, ...(log ? { log } : {}) });
    const { kv, close } = connect(consulAt(agent.url));
    const entries = await kv.list("k/");
    close();
    return entries.map((entry) => entry.key);
  }

  test("refuses to listen anywhere but on loopback", async () => {
    for (const host of ["0.0.0.0", "::", "192.0.2.1", "example.org"]) {
      const started = startDevAgent({ port: 0, file: await place(), host });
      await expect(started).rejects.toMatchObject({ code: "AP_CONFIG_INVALID" });
    }
  });

  test("says on start that it is for development", async () => {
    const lines: string[] = [];
    await keysIn(await place(), (line) => lines.push(line));
    expect(lines).toEqual([expect.stringContaining("for development only")]);
  });

  test("says which port is taken", async () => {
    await using agent = await startDevAgent({ port: 0, file: await place() });
    const second = startDevAgent({ port: agent.port, file: await place() });
    await expect(second).rejects.toMatchObject({ code: "AP_PORT_IN_USE" });
  });

  test("cuts off a torn line at the end of its file, keeps all before it, and says so", async () => {
    const file = await place();
    await filled(file, 3);
    await appendFile(file, '12345678 {"k":[["k/torn",["dG9y');
    const lines: string[] = [];
    expect(await keysIn(file, (line) => lines.push(line))).toEqual(["k/0", "k/1", "k/2"]);
    expect(lines[0]).toContain("cut off");
    await filled(file, 4);
    expect(await keysIn(file)).toEqual(["k/0", "k/1", "k/2", "k/3"]);
  });

  test("has a write in its file before it answers", async () => {
    const file = await place();
    await using agent = await startDevAgent({ port: 0, file });
    const { kv, close } = connect(consulAt(agent.url));
    for (let at = 0; at < 20; at++) {
      await kv.commit([{ do: "set", key: `k/${at}`, value: "" }]);
      expect(await readFile(file, "utf8")).toContain(`"k/${at}"`);
    }
    close();
  });

  test(
    "rewrites its file when it has grown, and loses nothing by it",
    { timeout: 60_000 },
    async () => {
      const file = await place();
      await using agent = await startDevAgent({ port: 0, file });
      const { kv, close } = connect(consulAt(agent.url));
      const value = "x".repeat(100_000);
      for (let at = 0; at < 40; at++) {
        await kv.commit([
          { do: "set", key: "big", value: value + String(at) },
          { do: "set", key: `k/${at}`, value: "" },
        ]);
      }
      expect((await readFile(file)).length).toBeLessThan(2_000_000);
      close();
      await agent[Symbol.asyncDispose]();
      expect((await keysIn(file)).length).toBe(40);
    },
  );

  test("never gives an index twice, also when only sessions used it before a restart", async () => {
    const file = await place();
    const indexes: number[] = [];
    for (let round = 0; round < 3; round++) {
      await using agent = await startDevAgent({ port: 0, file });
      const make = () => fetch(`${agent.url}/v1/session/create`, { method: "PUT" });
      for (let at = 0; at < 5; at++) await make();
      const answer = await fetch(`${agent.url}/v1/session/list`);
      indexes.push(Number(answer.headers.get("x-consul-index")));
    }
    expect(indexes).toEqual(indexes.toSorted((a, b) => a - b));
    expect(new Set(indexes).size).toBe(3);
  });

  test("refuses values over Consul's limit and answers what it does not know with 404", async () => {
    await using agent = await startDevAgent({ port: 0, file: await place() });
    const put = (bytes: number) =>
      fetch(`${agent.url}/v1/kv/k`, { method: "PUT", body: "x".repeat(bytes) });
    expect((await put(512 * 1024)).status).toBe(200);
    expect((await put(512 * 1024 + 1)).status).toBe(413);
    expect((await put(3 * 1024 * 1024)).status).toBe(413);
    expect((await fetch(`${agent.url}/v1/operator/raft`)).status).toBe(404);
  });
});
