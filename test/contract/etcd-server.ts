// A real etcd of one member in a temporary directory, for the contract suite. Its data outlives a restart. Only the
// process that was started here is ever signalled.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectEtcd } from "../../src/etcd/client.ts";
import { etcdFrom, type EtcdConfig } from "../../src/etcd/config.ts";
import { startEtcdLease } from "../../src/etcd/lease.ts";
import { findTool } from "../../src/local/toolchain.ts";
import type { ConsulUnderTest } from "./consul-fixture.ts";
import { etcdSpec } from "./etcd-tool.ts";
import { freePorts } from "./free-ports.ts";
import { until } from "./until.ts";

export type EtcdUnderTest = ConsulUnderTest & {
  readonly config: EtcdConfig;
  kill(): Promise<void>;
  start(): Promise<void>;
};

/** The start of etcd's argv, or why it cannot be had. */
export async function findEtcd(): Promise<
  { readonly argv: readonly string[] } | { readonly why: string }
> {
  try {
    const tool = await findTool(etcdSpec, { progress: (line) => console.warn(line) });
    return { argv: tool.command("etcd") };
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error) };
  }
}

/** `more`: further flags, and what clients need to know beside the endpoint. Resolves when it answers. */
export async function startEtcdServer(
  argv: readonly string[],
  more: { readonly flags?: readonly string[]; readonly env?: Record<string, string> } = {},
): Promise<EtcdUnderTest> {
  const dir = await mkdtemp(join(tmpdir(), "autopilot-etcd-"));
  const [client = 0, peer = 0] = await freePorts(2);
  const scheme = more.env?.["ETCDCTL_CACERT"] === undefined ? "http" : "https";
  const url = `${scheme}://127.0.0.1:${client}`;
  const config = etcdFrom({ endpoints: [url] }, more.env ?? {});
  const [program = "", ...before] = argv;
  const flags = [
    `--data-dir=${join(dir, "data")}`,
    "--log-level=error",
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--listen-peer-urls=http://127.0.0.1:${peer}`,
    `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
    `--initial-cluster=default=http://127.0.0.1:${peer}`,
    ...(more.flags ?? []),
  ];
  let child: ChildProcess;
  const log: string[] = [];

  async function start(): Promise<void> {
    child = spawn(program, [...before, ...flags], { stdio: ["ignore", "ignore", "pipe"] });
    child.stderr?.on("data", (chunk: Buffer) => log.push(chunk.toString()));
    const etcd = connectEtcd(config);
    await until(`etcd at ${url} answers`, async () => {
      if (child.exitCode !== null) throw new Error(`it ended: ${log.join("").slice(-2000)}`);
      await etcd.kv.get("nothing").catch((error: unknown) => {
        // It answers, if only to refuse us.
        if (!String(error).startsWith("ConfigError")) throw error;
      });
      return true;
    });
    etcd.close();
  }

  async function kill(): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  await start();
  return {
    url,
    config,
    start,
    kill,
    other: {
      connect: () => connectEtcd(config),
      startLease: (options) => startEtcdLease({ ...options, config }),
      awayCode: "AP_ETCD_UNREACHABLE",
    },
    async restart() {
      await kill();
      await start();
    },
    async [Symbol.asyncDispose]() {
      await kill();
      await rm(dir, { recursive: true });
    },
  };
}
