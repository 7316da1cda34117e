// Keepers of a cluster's nodes on a real key-value store with real sessions. Workers are played: they do what a test tells
// them.
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Kv, KvEntry, KvOp } from "../../src/index.ts";
import { Board } from "../../recipes/mysql/backup/board.ts";
import { workerDir, type Child, type LastWord } from "../../recipes/mysql/backup/child.ts";
import type { BackupConfig } from "../../recipes/mysql/backup/config.ts";
import type { Job, Line } from "../../recipes/mysql/backup/job.ts";
import { Keeper, type NodeView } from "../../recipes/mysql/backup/keeper.ts";
import { mysqlSchema } from "../../recipes/mysql/config.ts";
import type { BackupWish, LastBackup } from "../../recipes/mysql/core/backup/due.ts";
import type { Peer } from "../../recipes/mysql/core/records.ts";
import { keysOf, type Keys } from "../../recipes/mysql/keys.ts";
import { startDevAgent } from "../../src/consul/dev-agent/start.ts";
import { realClock } from "../../src/runtime/clock.ts";
import { useConsul } from "../contract/consul-fixture.ts";
import { until } from "../contract/until.ts";
import { recordingLog } from "../runtime/recording-log.ts";

export const consul = useConsul(async () => {
  const dir = await mkdtemp(join(tmpdir(), "autopilot-keeper-"));
  const agent = await startDevAgent({ port: 0, file: join(dir, "kv") });
  return {
    url: agent.url,
    restart: () => Promise.reject(new Error("not here")),
    async [Symbol.asyncDispose]() {
      await agent[Symbol.asyncDispose]();
      await rm(dir, { recursive: true });
    },
  };
});

const secrets = { admin: "a", replication: "r", clone: "c", peer: "p", app: "x" };
const config = mysqlSchema.parse({
  secrets,
  backup: { to: "/nowhere", jitter: "0s", verify: { enabled: false } },
}).backup as BackupConfig;
/** Looks come twenty times as often. */
const clock = { ...realClock, sleep: (ms: number, s?: AbortSignal) => realClock.sleep(ms / 20, s) };

function lastOf(id: string | null, job: Job): LastBackup {
  const at = new Date().toISOString();
  const { name: node } = job.node;
  return {
    id,
    gtid: "",
    binlog: null,
    node,
    startedAt: at,
    finishedAt: at,
    rawBytes: 3,
    storedBytes: 2,
    verified: null,
  };
}

type Played = {
  readonly job: Job;
  readonly say: (line: Line) => void;
  readonly done: (id: string | null) => void;
  readonly fail: (why: string) => void;
  stopped: boolean;
};

type Node = {
  readonly keeper: Keeper;
  readonly view: NodeView & { role: string; session: string | null };
  readonly dir: string;
  die(): Promise<void>;
};

type Setting = {
  /** What Consul has before any node looks. */
  readonly before?: (keys: Keys) => readonly KvOp[];
  /** What each node believes that it has, instead of watching it. */
  readonly believed?: (keys: Keys) => readonly KvEntry[];
  readonly deadline?: number;
};

export async function cluster(names: readonly string[], setting: Setting = {}) {
  const name = consul.fresh();
  const keys = keysOf(name);
  const { kv: real, leaser } = consul.consul();
  await real.commit([...(setting.before?.(keys) ?? [])]);
  const believed = setting.believed?.(keys);
  const kv: Kv =
    believed === undefined
      ? real
      : {
          commit: (ops) => real.commit(ops),
          get: (key, how) => real.get(key, how),
          list: (prefix, how) => real.list(prefix, how),
          watch: async (_, { onChange }) => onChange(believed),
        };
  const played: Played[] = [];
  const peers = names.map(
    (uuid, i): Peer =>
      ({
        uuid,
        node: `node-${uuid}`,
        role: i === 0 ? "primary" : "replica",
        epoch: 1,
        lagSeconds: 0,
        ageMs: 0,
        mysqldPid: 1,
        stopping: false,
        needsRebuild: false,
        diskFull: false,
        executed: "11111111-1111-1111-1111-111111111111:1-100",
      }) as Peer,
  );
  const state = {
    ver: 1,
    epoch: 1,
    phase: "open",
    primary: names[0] ?? "",
    prevPrimary: null,
    voters: names,
    acks: 1,
  } as const;

  const start = async (job: Job, { onLine }: { onLine: (line: Line) => void }): Promise<Child> => {
    const { promise, resolve } = Promise.withResolvers<LastWord>();
    const one: Played = {
      job,
      say: onLine,
      done: (id) =>
        resolve({ event: "done", says: "it is done", id, ok: true, last: lastOf(id, job) }),
      fail: (why) => resolve({ event: "failed", code: "AP_BACKUP_WORKER", why }),
      stopped: false,
    };
    if (job.task.do === "survey") one.done(null);
    else played.push(one);
    const stop = async (): Promise<void> => {
      one.stopped = true;
      one.fail("ended");
    };
    return { ended: promise, stop };
  };

  async function node(uuid: string): Promise<Node> {
    const { id: session } = await consul.session();
    const dir = await mkdtemp(join(tmpdir(), "autopilot-keeper-"));
    await mkdir(workerDir(dir, "backup"), { recursive: true });
    const role = peers.find((peer) => peer.uuid === uuid)?.role ?? "";
    const view = {
      clusterId: "C",
      uuid,
      role,
      epoch: 1,
      session,
      state,
      peers,
      paused: false,
      stopping: false,
    } as Node["view"];
    const identity = {
      name: `node-${uuid}`,
      cluster: name,
      dir,
      host: "",
      httpPort: 1,
      controlSocket: "",
    };
    const keeper = new Keeper({
      config: { ...config, deadline: setting.deadline ?? config.deadline },
      secrets,
      adminPort: 1,
      node: identity,
      clock,
      lease: {
        view: () => ({ session: view.session, goodUntil: Infinity, heldUntil: null, error: null }),
      },
      leaser,
      log: recordingLog().log,
      announce: () => {},
      board: new Board({ kv, keys }),
      view: () => view,
      refreshPeers: () => Promise.resolve(),
      start,
    });
    const die = async (): Promise<void> => {
      view.session = null;
      peers.splice(
        peers.findIndex((peer) => peer.uuid === uuid),
        1,
      );
      await leaser.destroy(session);
      await keeper[Symbol.asyncDispose]();
    };
    onTestFinished(async () => {
      await keeper[Symbol.asyncDispose]();
      await rm(dir, { recursive: true });
    });
    return { keeper, view, dir, die };
  }

  const nodes = new Map<string, Node>();
  for (const uuid of names) nodes.set(uuid, await node(uuid));
  return {
    keys,
    played,
    node: (uuid: string) => nodes.get(uuid) as Node,
    running: (n: number) => until(`worker ${n} runs`, () => played[n]),
    read: <T>(key: string) => read<T>(key),
  };
}

export async function read<T>(key: string): Promise<T | null> {
  const entry = await consul.consul().kv.get(key);
  return entry === null || entry.value === "" ? null : (JSON.parse(entry.value) as T);
}

export const last = (keys: Keys) =>
  until("a backup is told", async () => (await read<LastBackup>(keys.backupLast))?.id);
export const free = (keys: Keys) =>
  until(
    "the lock is free",
    async () => (await consul.consul().kv.get(keys.backupLock))?.session === null,
  );

export async function wish(
  keys: Keys,
  more: Partial<BackupWish> = {},
): Promise<() => Promise<BackupWish["outcome"]>> {
  const one: BackupWish = {
    id: "w",
    verb: "backup",
    node: null,
    incremental: false,
    backup: null,
    by: "anna",
    at: "2026-11-20T10:00:00Z",
    outcome: null,
    ...more,
  };
  const key = keys.backupWish(one.id);
  await consul.consul().kv.commit([{ do: "set", key, value: JSON.stringify(one) }]);
  return async () => (await read<BackupWish>(key))?.outcome ?? null;
}
