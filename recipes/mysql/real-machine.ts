// The machine as it is: files below the node's directory, mysqld from the toolchain, TCP, HTTP and MySQL to other nodes.
import { mkdir, statfs, writeFile } from "node:fs/promises";
import { connect as tcp } from "node:net";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { hostPort } from "../../src/index.ts";
import type { Clock, NodeIdentity, Supervise, Supervised, Tool } from "../../src/index.ts";
import { provisionByBackup, recover } from "./backup/recover.ts";
import type { MysqlConfig } from "./config.ts";
import type { Address, Disk, Maker, NewData, Peers, Plan } from "./machine.ts";
import { removeAside, roomOf, setAside } from "./mysqld/aside.ts";
import {
  readDatadir,
  removeBootstrap,
  removeHalf,
  textOf,
  writeBootstrap,
} from "./mysqld/datadir.ts";
import { removeDurable, writeDurable } from "./mysqld/durable.ts";
import { keepEvidence, type EvidenceParts } from "./mysqld/evidence.ts";
import { initialize } from "./mysqld/initialize.ts";
import { layout } from "./mysqld/layout.ts";
import { myCnf, toolPaths } from "./mysqld/my-cnf.ts";
import { awaitPeerSet, readPeerSets } from "./mysqld/peer.ts";
import { readPromise, writePromise } from "./mysqld/promise.ts";
import { provisionByClone } from "./mysqld/provision.ts";
import type { Secrets } from "./mysqld/secrets.ts";

const TCP_TIMEOUT_MS = 300;
const LIVENESS_TIMEOUT_MS = 500;

export function realDisk(parts: EvidenceParts): Disk {
  const { dir } = parts;
  const planFile = join(dir, "plan.json");
  const plan = async (): Promise<Plan | null> => {
    const text = await textOf(planFile);
    return text === null ? null : (JSON.parse(text) as Plan);
  };
  return {
    read: async () => ({
      datadir: await readDatadir(dir),
      promise: await readPromise(dir),
      plan: await plan(),
    }),
    writePromise: (next) => writePromise(dir, next),
    writePlan: async (next) =>
      next === null ? removeDurable(planFile) : writeDurable(planFile, JSON.stringify(next)),
    writeBootstrap: async (clusterId) =>
      clusterId === null ? removeBootstrap(dir) : writeBootstrap(dir, clusterId),
    free: () => freeBytes(dir),
    extract: (story, signal) => keepEvidence(parts, story, signal),
    setAside: (why, at, evidence) => setAside(dir, why, at, evidence),
    room: () => roomOf(dir),
    removeAside: (names) => removeAside(dir, names),
  };
}

/** What an unprivileged writer may still take: a reserve of root's is not ours. */
async function freeBytes(dir: string): Promise<number | null> {
  try {
    const { bavail, bsize } = await statfs(dir);
    return bavail * bsize;
  } catch {
    return null; // Not made yet, or a file system that does not tell: nothing is concluded from that.
  }
}

export type MakerParts = {
  readonly config: MysqlConfig;
  readonly node: NodeIdentity;
  readonly tool: Tool;
  readonly secrets: Secrets;
  readonly spawn: Supervise;
  readonly clock: Clock;
  /** The supervised mysqld of this node. */
  readonly process: Supervised;
};

export function realMaker(parts: MakerParts): Maker {
  const { config, node, tool, secrets, spawn, process } = parts;
  const input = async (data: NewData) => {
    await removeHalf(node.dir);
    await writeMyCnf(parts, data.serverId);
    return { ...data, tool, dir: node.dir, secrets, spawn };
  };
  return {
    initialize: async (data) => {
      const { report = () => {} } = data;
      // A new cluster that begins with another one's data, or with nothing.
      if (config.recovery === undefined) return initialize(await input(data));
      await input(data);
      await recover(parts, { data, report });
    },
    ...(config.backup === undefined
      ? {}
      : {
          restore: async (data) => {
            await input(data);
            await provisionByBackup(parts, { data, report: data.report });
          },
        }),
    clone: async (data) => provisionByClone({ ...data, ...(await input(data)) }),
    start: async (serverId) => {
      await writeMyCnf(parts, serverId);
      const at = layout(node.dir);
      const argv = [
        ...tool.command("mysqld"),
        `--defaults-file=${at.myCnf}`,
        `--datadir=${at.data}`,
      ];
      const started = await process.start({ argv, output: { file: at.errorLog } });
      if (!started.ok) throw started.error;
    },
  };
}

export function adminPort(config: MysqlConfig): number {
  return config.adminPort ?? config.port + 1;
}

/** my.cnf from configuration and machine; the protocol's own settings cannot be overridden. */
async function writeMyCnf({ config, node, tool }: MakerParts, serverId: number): Promise<void> {
  await mkdir(node.dir, { recursive: true });
  const text = myCnf({
    dir: node.dir,
    host: node.host,
    bindAddress: config.bind,
    port: config.port,
    adminPort: adminPort(config),
    serverId,
    memoryBytes: config.memoryMiB === undefined ? null : config.memoryMiB * 1_048_576,
    cores: availableParallelism(),
    archived: config.backup?.archive.enabled ?? false,
    options: config.options,
    runAsRoot: process.getuid?.() === 0,
    tool: toolPaths(tool.prefix),
  });
  await writeFile(layout(node.dir).myCnf, text, { mode: 0o600 });
}

export function realPeers(secrets: Secrets): Peers {
  return {
    sets: (address) => readPeerSets(address, secrets),
    awaitSet: (address, wanted) => awaitPeerSet(address, secrets, wanted),
    refused,
    alive,
  };
}

function refused(address: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = tcp(address);
    const done = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(TCP_TIMEOUT_MS, () => done(false));
    socket.on("connect", () => done(false));
    socket.on("error", (error: NodeJS.ErrnoException) => done(error.code === "ECONNREFUSED"));
  });
}

// Not imported: the namespace of node:http has getters that load fetch's whole implementation, 8 MB of it.
const http = process.getBuiltinModule("node:http");

/** Refused, reset, silent or anything but a 200: each of them is the answer "no". */
function alive({ host, port }: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const url = `http://${hostPort(host, port)}/liveness`;
    const asked = http.get(url, { timeout: LIVENESS_TIMEOUT_MS, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    asked.on("timeout", () => asked.destroy());
    asked.on("error", () => resolve(false));
    asked.on("close", () => resolve(false));
  });
}
