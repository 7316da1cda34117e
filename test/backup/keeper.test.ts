// The agent's part of backups on a real key-value store with real sessions: who does it, one at a time, what happens when
// that node dies, becomes primary or stops. Workers are played: they do what each test tells them.
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
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

const consul = useConsul(async () => {
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

async function cluster(names: readonly string[], setting: Setting = {}) {
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

async function read<T>(key: string): Promise<T | null> {
  const entry = await consul.consul().kv.get(key);
  return entry === null || entry.value === "" ? null : (JSON.parse(entry.value) as T);
}

const last = (keys: Keys) =>
  until("a backup is told", async () => (await read<LastBackup>(keys.backupLast))?.id);
const free = (keys: Keys) =>
  until(
    "the lock is free",
    async () => (await consul.consul().kv.get(keys.backupLock))?.session === null,
  );

async function wish(
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

describe("the keepers of a cluster's backups", () => {
  test("have one node take the first backup of a cluster, the in-sync replica, and tell it", async () => {
    const { keys, played, running } = await cluster(["a", "b", "c"]);
    const first = await running(0);
    expect(first.job).toMatchObject({
      task: { do: "backup" },
      node: { uuid: "b", role: "replica" },
    });
    expect(await read(keys.backupLock)).toMatchObject({ node: "node-b", task: "backup" });
    // Many looks of all three.
    await pause(300);
    expect(played).toHaveLength(1);
    first.done("X");
    expect(await last(keys)).toBe("X");
    await free(keys);
    await pause(300);
    expect(played).toHaveLength(1);
  });

  test("look again when they have the lock: what is due may have been done by who held it before", async () => {
    const at = new Date().toISOString();
    const none = { id: null, gtid: "", node: "", startedAt: "", finishedAt: "", verified: null };
    const done = { ...none, id: "X", node: "node-z", startedAt: at, finishedAt: at };
    const sizes = { binlog: null, rawBytes: 0, storedBytes: 0 };
    const entry = (key: string, value: object): KvEntry => ({
      key,
      value: JSON.stringify({ ...sizes, ...value }),
      session: null,
      index: 1,
    });
    const { keys, played } = await cluster(["a", "b"], {
      before: ({ backupLast: key }) => [{ do: "set", key, value: entry(key, done).value }],
      // The watch of it is behind.
      believed: ({ backupLast: key }) => [entry(key, none)],
    });
    const lock = await until(
      "the lock is given back, or a worker runs",
      async () => played[0] ?? (await consul.consul().kv.get(keys.backupLock))?.session === null,
    );
    expect(lock).toBe(true);
    expect(played).toEqual([]);
  });

  test("begin anew on another node when the one that ran it dies", async () => {
    const { keys, node, running } = await cluster(["a", "b", "c"]);
    const outcome = await wish(keys);
    const first = await running(0);
    await node(first.job.node.uuid).die();
    const second = await running(1);
    expect(first.job.node.uuid).toBe("b");
    expect(second.job.node.uuid).toBe("c");
    expect(await outcome()).toBeNull();
    second.done("X");
    expect(await until("the wish is answered", outcome)).toMatchObject({ ok: true, id: "X" });
  });

  test("leave the disk to the clients of a node that becomes primary: another replica begins anew", async () => {
    const { node, running, keys } = await cluster(["a", "b", "c"]);
    const first = await running(0);
    node("b").view.role = "candidate";
    for (const peer of node("b").view.peers)
      if (peer.uuid === "b") Object.assign(peer, { role: "candidate" });
    const second = await running(1);
    expect(first.stopped).toBe(true);
    expect(second.job.node.uuid).toBe("c");
    // Nobody's failure: nothing waits for a back-off.
    expect(await read(keys.backupFailed)).toBeNull();
  });

  test("tell a failure with its code, and ask another node after a while", async () => {
    const { keys, played, running } = await cluster(["a", "b", "c"]);
    (await running(0)).fail("the disk is full");
    const failed = await until("the failure is told", () =>
      read<{ why: string }>(keys.backupFailed),
    );
    expect(failed).toMatchObject({ failures: 1, node: "node-b", why: "the disk is full" });
    await free(keys);
    await pause(300);
    expect(played).toHaveLength(1);
    // A person need not wait for that.
    const outcome = await wish(keys);
    const second = await running(1);
    expect(second.job.node.uuid).toBe("c");
    second.fail("again");
    expect(await until("answered", outcome)).toMatchObject({
      ok: false,
      says: "node-c: AP_BACKUP_WORKER: again",
    });
  });

  test("end a worker whose node stops, before anything else of that node", async () => {
    const { node, running, keys } = await cluster(["a", "b"]);
    const first = await running(0);
    await node("b").keeper.stop();
    expect(first.stopped).toBe(true);
    // It gives the lock back, and it is nobody's failure: another node begins at once.
    await node("b").keeper[Symbol.asyncDispose]();
    await free(keys);
    expect(await read(keys.backupFailed)).toBeNull();
  });

  test("take a deadline that passes for a failure", async () => {
    const { running, keys } = await cluster(["a", "b"], { deadline: 1 });
    const first = await running(0);
    const failed = await until("the failure is told", () =>
      read<{ why: string }>(keys.backupFailed),
    );
    expect(failed).toMatchObject({ why: "it took longer than its deadline", node: "node-b" });
    expect(first.stopped).toBe(true);
  });

  test("end a worker where another node has got the lock meanwhile", async () => {
    const { node, running, keys } = await cluster(["a", "b", "c"]);
    const first = await running(0);
    const { kv, leaser } = consul.consul();
    const { id: session } = await consul.session();
    const { session: own } = node("b").view;
    node("b").view.session = null;
    await leaser.destroy(own ?? "");
    const value = JSON.stringify({ uuid: "z", node: "node-z", task: "backup", why: "", since: "" });
    await kv.commit([{ do: "lock", key: keys.backupLock, value, session }]);
    node("b").view.session = (await consul.session()).id;
    await until("the worker is ended", () => first.stopped);
  });

  test("go on after their own session fell, with the lock under the new one", async () => {
    const { node, running, keys } = await cluster(["a", "b"]);
    const first = await running(0);
    const old = node("b").view.session ?? "";
    const { id } = await consul.session();
    node("b").view.session = id;
    await consul.consul().leaser.destroy(old);
    await until(
      "the lock is held again",
      async () => (await consul.consul().kv.get(keys.backupLock))?.session === id,
    );
    expect(first.stopped).toBe(false);
    first.done("X");
    expect(await last(keys)).toBe("X");
  });

  test("take no lock of their own earlier life for somebody else's", async () => {
    const { keys, node, running } = await cluster(["b"]);
    const { id: ghost } = await consul.session();
    await wish(keys, { id: "first" });
    const first = await running(0);
    first.done("X");
    await last(keys);
    await free(keys);
    const value = JSON.stringify({ uuid: "b", node: "node-b", task: "backup", why: "", since: "" });
    await consul.consul().kv.commit([{ do: "lock", key: keys.backupLock, value, session: ghost }]);
    await wish(keys);
    await running(1);
    expect((await consul.consul().kv.get(keys.backupLock))?.session).toBe(node("b").view.session);
  });
});

describe("an image is confirmed", () => {
  const answerOf = (dir: string) =>
    until(
      "the answer is there",
      async () =>
        JSON.parse(await readFile(join(workerDir(dir, "backup"), "confirmed.json"), "utf8")) as {
          ok: boolean;
        },
    );

  test("when an open primary has all of its transactions, not before", async () => {
    const { node, running } = await cluster(["a", "b"]);
    const { say } = await running(0);
    const gtid = "11111111-1111-1111-1111-111111111111:1-101";
    say({ event: "confirm", gtid });
    await pause(300);
    const { dir, view } = node("b");
    await expect(readFile(join(workerDir(dir, "backup"), "confirmed.json"))).rejects.toThrow(
      "ENOENT",
    );
    for (const peer of view.peers) if (peer.uuid === "a") Object.assign(peer, { executed: gtid });
    expect(await answerOf(dir)).toMatchObject({ ok: true, gtid });
  });
});
