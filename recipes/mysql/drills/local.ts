// The drills' local target: real agents and servers on this machine, with relays between them (network.ts). A fault of a
// process is a signal to its pid; a fault of a disk fills the node's own small file system.
import { existsSync, readdirSync, rmSync, statfsSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import mysql from "mysql2/promise";
import { UnavailableError, type Lab, type LabCluster, type LabEvent } from "../../../src/index.ts";
import { APP } from "../app-account.ts";
import { layout } from "../mysqld/layout.ts";
import { markerUuidOf } from "../mysqld/marker.ts";
import { readSecrets, secretFiles } from "../mysqld/secrets.ts";
import { keysOf, parseState } from "../keys.ts";
import { switchover } from "../verbs/switchover.ts";
import { see } from "../view.ts";
import { monotonicNow } from "./ledger.ts";
import { CLIENT, Network } from "./network.ts";
import type { Process, Shape, SqlRow, Target, TargetEvent, TargetMaker } from "./target.ts";

/** A datadir takes 190 MB, its redo log 100 more; a clone needs both for a while. */
const SMALL_DISK_MIB = 900;
const CONNECT_WITHIN_MS = 5_000;
const SQL_WITHIN_MS = 10_000;
/** An eventful hour tells some ten thousand things. */
const EVENTS_KEPT = 20_000;
const BLOCK = Buffer.alloc(1_048_576);
const SMALLEST = 4_096;

export function localTargets(lab: Lab): TargetMaker {
  return {
    kind: "local",
    refuses: ({ smallDisks }) =>
      smallDisks && process.getuid?.() !== 0
        ? "a small disk for each node has to be mounted, which root alone may do"
        : null,
    make: (shape, signal) => makeLocal(lab, shape, signal),
  };
}

async function makeLocal(lab: Lab, shape: Shape, signal: AbortSignal): Promise<Target> {
  await using stack = new AsyncDisposableStack();
  const smallMiB = shape.smallDisks ? SMALL_DISK_MIB : null;
  const cluster = stack.use(await lab.prepare({ nodes: shape.nodes, smallMiB }));
  const pidsOf = () => new Map(cluster.nodes.map(({ name }) => [name, cluster.pidsOf(name)]));
  const network = stack.use(await Network.start({ ways: cluster.ways, pidsOf }));
  const events: TargetEvent[] = [];
  const offset = monotonicNow() - Date.now();
  await cluster.start((event) => note(events, event, offset), signal);
  const kept = stack.move();
  return localTarget({ cluster, network, events, shape, kept });
}

function note(events: TargetEvent[], event: LabEvent, offset: number): void {
  const { node, type, what, facts } = event;
  events.push({ node, at: Date.parse(event.at) + offset, type, what, facts });
  if (events.length > EVENTS_KEPT) events.splice(0, EVENTS_KEPT / 2);
}

type Parts = {
  readonly cluster: LabCluster;
  readonly network: Network;
  readonly events: readonly TargetEvent[];
  readonly shape: Shape;
  readonly kept: AsyncDisposableStack;
};

function localTarget({ cluster, network, events, shape, kept }: Parts): Target {
  const { consul, name } = cluster;
  return {
    kind: "local",
    nodes: cluster.nodes.map(({ name: node, address }) => ({ name: node, address })),
    see: () => see(consul, name),
    state: async () => {
      const entry = await consul.kv.get(keysOf(name).state);
      return entry === null ? null : parseState(entry.value);
    },
    marker: async () => markerUuidOf((await consul.kv.get(keysOf(name).initialize))?.value ?? null),
    account: async () => {
      const { app } = await readSecrets(secretFiles(join(cluster.dir, "secrets")));
      return { ...APP, password: app, tls: false };
    },
    query: (node, ...statements) => query(cluster, node, statements),
    switchover: (to, stop) => switchOver(cluster, to, stop),
    events: () => events,
    ...processFaults(cluster),
    clientAddress: network.addressOf(CLIENT),
    cut: (links) => network.cut(links),
    hangs: (from, to) => network.hangs(from, to),
    consul: {
      kill: () => cluster.killConsul(),
      start: () => cluster.startConsul(),
      running: () => cluster.consulPid() !== null,
    },
    disks: shape.smallDisks ? null : "the nodes of this cluster have no disks of their own",
    ...diskFaults(cluster),
    evidence: (node, since) => Promise.resolve(asideSince(nodeOf(cluster, node).dir, since)),
    keep: () => {
      cluster.keep();
      return cluster.dir;
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

type ProcessFaults = Pick<Target, "processes" | "stateOf" | "signal" | "startNode" | "stopNode">;

function processFaults(cluster: LabCluster): ProcessFaults {
  return {
    processes(node) {
      const { agent, server } = cluster.processes(node);
      const found: Process[] = [];
      if (agent !== null) found.push({ pid: agent, who: "agent" });
      if (server !== null) found.push({ pid: server, who: "mysqld" });
      return found;
    },
    stateOf({ pid }) {
      const state = cluster.processState(pid);
      if (state === null) return "gone";
      return state === "T" ? "stopped" : "runs";
    },
    signal({ pid }, signal) {
      // Looked at just before: a pid that was given to somebody else since then would be a matter of microseconds.
      const state = cluster.processState(pid);
      if (state !== null && state !== "Z") process.kill(pid, signal);
    },
    async startNode(node) {
      if (cluster.processes(node).agent === null) await cluster.startNode(node);
    },
    stopNode: (node) => cluster.stopNode(node),
  };
}

function diskFaults(cluster: LabCluster): Pick<Target, "fillDisk" | "freeDisk" | "diskFree"> {
  const filler = (node: string): string => join(nodeOf(cluster, node).dir, "filler");
  return {
    fillDisk: (node) => fill(filler(node)),
    freeDisk: (node) => Promise.resolve(rmSync(filler(node), { force: true })),
    diskFree(node) {
      const { bavail, bsize } = statfsSync(nodeOf(cluster, node).dir);
      return Promise.resolve(bavail * bsize);
    },
  };
}

/** Until the file system takes nothing more. Not at once: what is relayed meanwhile must not wait. */
async function fill(path: string): Promise<void> {
  await using file = await open(path, "w");
  for (let size = BLOCK.length; size >= SMALLEST;) {
    try {
      const { bytesWritten } = await file.write(BLOCK, 0, size);
      if (bytesWritten < size) size /= 2;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      size /= 2;
    }
  }
}

/** A datadir is set aside by a rename, which is a change of the moved directory. */
function asideSince(dir: string, since: number): string | null {
  const { aside } = layout(dir);
  if (!existsSync(aside)) return null;
  const at = Date.now() - (monotonicNow() - since);
  const paths = readdirSync(aside).map((name) => join(aside, name));
  return paths.find((path) => statSync(path).ctimeMs >= at) ?? null;
}

function nodeOf(cluster: LabCluster, name: string) {
  const found = cluster.nodes.find((node) => node.name === name);
  if (found === undefined) throw new UnavailableError("AP_NODE_UNKNOWN", `no node ${name}`);
  return found;
}

async function switchOver(
  cluster: LabCluster,
  to: string | null,
  signal: AbortSignal,
): Promise<void> {
  const { name, dir, consul } = cluster;
  const silent = { json: true, print() {}, progress() {}, signal };
  const options = to === null ? {} : { to };
  const { clock } = cluster;
  await switchover.run({ cluster: name, dir, clock, args: [], options, ...consul, ...silent });
}

async function query(
  cluster: LabCluster,
  node: string,
  statements: readonly string[],
): Promise<readonly SqlRow[]> {
  const { direct } = nodeOf(cluster, node);
  const { admin } = await readSecrets(secretFiles(join(cluster.dir, "secrets")));
  const login = { user: "autopilot", password: admin, connectTimeout: CONNECT_WITHIN_MS };
  const where = `${node} (${direct.host}:${direct.port})`;
  try {
    const connection = await mysql.createConnection({ ...direct, ...login });
    try {
      let answer: unknown = [];
      for (const sql of statements)
        [answer] = await connection.query({ sql, timeout: SQL_WITHIN_MS });
      return Array.isArray(answer) ? (answer as SqlRow[]) : [];
    } finally {
      connection.destroy();
    }
  } catch (cause) {
    throw new UnavailableError("AP_MYSQLD_TIMEOUT", `ask ${where}`, { cause });
  }
}
