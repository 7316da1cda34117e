// The embedded Consul as a process of its own, used as README says: with curl and a resolver, and nothing of ours.
import { spawn } from "node:child_process";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { freePorts } from "../contract/free-ports.ts";
import { until } from "../contract/until.ts";
import { cleanEnv, CLI } from "./cli.ts";

/** It would wait for nodes for 45 s. */
const END_LIMIT_MS = 30_000;

test("a service that one PUT registered is found by DNS, and keeps the agent from ending no longer than its nodes do", async () => {
  const dir = mkdtempSync(join(tmpdir(), "autopilot-dev-agent-"));
  const [port = 0, dns = 0] = await freePorts(2);
  const flags = ["--port", String(port), "--dns-port", String(dns), "--file", join(dir, "kv")];
  const child = spawn(process.execPath, [CLI, "dev-agent", ...flags], {
    env: cleanEnv(),
    stdio: "ignore",
  });
  onTestFinished(() => {
    child.kill("SIGKILL");
    rmSync(dir, { recursive: true });
  });
  const body = JSON.stringify({ Name: "web", Port: 8080, Address: "127.0.0.7" });
  await until("it takes the registration", async () => {
    const url = `http://127.0.0.1:${port}/v1/agent/service/register`;
    return (await fetch(url, { method: "PUT", body })).ok;
  });
  const resolver = new Resolver();
  resolver.setServers([`127.0.0.1:${dns}`]);
  expect(await resolver.resolve4("web.service.consul")).toEqual(["127.0.0.7"]);
  expect(await resolver.resolveSrv("_web._tcp.service.consul")).toMatchObject([{ port: 8080 }]);
  const ended = once(child, "exit", { signal: AbortSignal.timeout(END_LIMIT_MS) });
  child.kill("SIGTERM");
  expect(await ended).toEqual([0, null]);
});
