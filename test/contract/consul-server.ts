// A real Consul server of one node in a temporary directory, for the contract suite. Its data outlives a restart.
// Only the process that was started here is ever signalled.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { consulSpec } from "../../src/local/toolchain/consul.ts";
import { findTool } from "../../src/local/toolchain.ts";
import type { DnsUnderTest } from "./dns.contract.ts";
import { freePorts } from "./free-ports.ts";
import { until } from "./until.ts";

/** The start of Consul's argv, or why it cannot be had. */
export async function findConsul(): Promise<
  { readonly argv: readonly string[] } | { readonly why: string }
> {
  try {
    const tool = await findTool(consulSpec, { progress: (line) => console.warn(line) });
    return { argv: tool.command("consul") };
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error) };
  }
}

/** `more`: further settings of its configuration file. Resolves when it has a leader. */
export async function startConsulServer(
  argv: readonly string[],
  more: object = {},
): Promise<DnsUnderTest> {
  const dir = await mkdtemp(join(tmpdir(), "autopilot-consul-"));
  const [http = 0, server = 0, serf = 0, dns = 0] = await freePorts(4);
  const url = `http://127.0.0.1:${http}`;
  const config = {
    ports: { http, dns, server, serf_lan: serf, serf_wan: -1, grpc: -1 },
    disable_update_check: true,
    log_level: "warn",
    // Elections as fast as in production on good hardware, not as on the smallest machine.
    performance: { raft_multiplier: 1 },
    // A hundred watches of one client, as on a busy host.
    limits: { http_max_conns_per_client: 1000 },
    ...more,
  };
  await writeFile(join(dir, "config.json"), JSON.stringify(config));
  const [program = "", ...before] = argv;
  const flags = ["-server", "-bootstrap-expect=1", "-bind=127.0.0.1", "-client=127.0.0.1"];
  const paths = [`-data-dir=${join(dir, "data")}`, `-config-file=${join(dir, "config.json")}`];
  let child: ChildProcess;
  const log: string[] = [];

  async function run(): Promise<void> {
    child = spawn(program, [...before, "agent", ...flags, ...paths], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    child.stdout?.on("data", (chunk: Buffer) => log.push(chunk.toString()));
    await until(`Consul at ${url} has a leader`, async () => {
      if (child.exitCode !== null) throw new Error(`it ended: ${log.join("").slice(-2000)}`);
      return /:\d+/.test(await (await fetch(`${url}/v1/status/leader`)).text());
    });
  }

  async function end(): Promise<void> {
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  await run();
  return {
    url,
    dnsPort: dns,
    async restart() {
      await end();
      await run();
    },
    async [Symbol.asyncDispose]() {
      await end();
      await rm(dir, { recursive: true });
    },
  };
}
