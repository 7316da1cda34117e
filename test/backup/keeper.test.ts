// The agent's part of backups on a real key-value store with real sessions: who does it, one at a time, what happens when
// that node dies, becomes primary or stops. Workers are played: they do what each test tells them.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { workerDir } from "../../recipes/mysql/backup/child.ts";
import type { KvEntry } from "../../src/index.ts";
import { until } from "../contract/until.ts";
import { cluster, consul, free, last, read, wish } from "./keeper-fixture.ts";

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
