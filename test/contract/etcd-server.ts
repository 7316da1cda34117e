// Real etcds in temporary directories, for the contract suite. Their data outlive a restart. Only processes that were
// started here are ever signalled.
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

type More = {
  readonly flags?: readonly string[];
  /** With a certificate of its own making, which is its own authority. */
  readonly tls?: boolean;
};

/** Resolves when it answers. */
export async function startEtcdServer(
  argv: readonly string[],
  more: More = {},
): Promise<EtcdUnderTest> {
  const members = await startEtcdMembers(argv, 1, more);
  const [only] = members.all;
  if (only === undefined) throw new Error("there is one");
  return {
    ...only,
    [Symbol.asyncDispose]: () => members[Symbol.asyncDispose](),
  };
}

export type EtcdMembers = AsyncDisposable & { readonly all: readonly EtcdUnderTest[] };

/** A cluster of several members. Resolves when all of them answer. */
export async function startEtcdMembers(
  argv: readonly string[],
  count: number,
  { flags = [], tls = false }: More = {},
): Promise<EtcdMembers> {
  const dir = await mkdtemp(join(tmpdir(), "autopilot-etcd-"));
  const ports = await freePorts(2 * count);
  const peers = ports.slice(count).map((port, at) => `m${at}=http://127.0.0.1:${port}`);
  const all = peers.map((peer, at) => {
    const [name = "", peerUrl = ""] = peer.split("=");
    const url = `${tls ? "https" : "http"}://127.0.0.1:${ports[at]}`;
    const own = [
      `--name=${name}`,
      `--data-dir=${join(dir, name)}`,
      "--log-level=error",
      `--listen-client-urls=${url}`,
      `--advertise-client-urls=${url}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=${peers.join(",")}`,
    ];
    const ca = join(dir, name, "fixtures", "client", "cert.pem");
    return tls
      ? memberOf([...argv, ...own, ...flags, "--auto-tls"], url, ca)
      : memberOf([...argv, ...own, ...flags], url);
  });
  await Promise.all(all.map((member) => member.start()));
  return {
    all,
    async [Symbol.asyncDispose]() {
      await Promise.all(all.map((member) => member.kill()));
      await rm(dir, { recursive: true });
    },
  };
}

/** Not started yet. */
function memberOf(argv: readonly string[], url: string, caFile?: string): EtcdUnderTest {
  /** The certificate is there once it has started. */
  const configNow = (): EtcdConfig => etcdFrom({ endpoints: [url], caFile }, {});
  const [program = "", ...flags] = argv;
  let child: ChildProcess | null = null;
  const log: string[] = [];

  async function start(): Promise<void> {
    child = spawn(program, flags, { stdio: ["ignore", "ignore", "pipe"] });
    const present = child;
    present.stderr?.on("data", (chunk: Buffer) => log.push(chunk.toString()));
    await until(`etcd at ${url} answers`, async () => {
      if (present.exitCode !== null) throw new Error(`it ended: ${log.join("").slice(-2000)}`);
      const etcd = connectEtcd(configNow());
      await etcd.kv.get("nothing").finally(() => etcd.close());
      return true;
    });
  }

  async function kill(): Promise<void> {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  return {
    url,
    get config() {
      return configNow();
    },
    start,
    kill,
    other: {
      connect: () => connectEtcd(configNow()),
      startLease: (options) => startEtcdLease({ ...options, config: configNow() }),
      awayCode: "AP_ETCD_UNREACHABLE",
    },
    async restart() {
      await kill();
      await start();
    },
    [Symbol.asyncDispose]: kill,
  };
}
