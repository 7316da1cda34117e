import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  localNodes,
  readCluster,
  writeCluster,
  type Cluster,
} from "../../src/local/cluster-file.ts";
import { holderOf, lockDirectory } from "../../src/local/lock.ts";
import { planCluster, withNode } from "../../src/local/plan.ts";
import { anyFreePort, claimPorts } from "../../src/local/ports.ts";
import { isRunning, listenerOf, processFacts } from "../../src/local/process.ts";
import { controlSocketOf } from "../../src/local/socket-path.ts";
import { showJson, showLines } from "../../src/local/show.ts";
import { showTable } from "../../src/local/show-table.ts";
import { until } from "../runtime/manual-clock.ts";

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "autopilot-local-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

describe("the lock of a directory", () => {
  test("is one process's, until it lets go", () => {
    const lock = lockDirectory(dir);
    expect(holderOf(dir)?.pid).toBe(process.pid);
    expect(() => lockDirectory(dir)).toThrow(`process ${process.pid} runs the cluster`);
    lock[Symbol.dispose]();
    expect(holderOf(dir)).toBeNull();
    lockDirectory(dir)[Symbol.dispose]();
    expect(existsSync(join(dir, "up.lock"))).toBe(false);
  });

  test("of a process that was killed is taken over", async () => {
    const dead = spawn("sleep", ["600"]);
    await once(dead, "spawn");
    const startTime = processFacts(dead.pid ?? 0)?.startTime;
    writeFileSync(join(dir, "up.lock"), JSON.stringify({ pid: dead.pid, startTime }));
    expect(() => lockDirectory(dir)).toThrow(`process ${dead.pid}`);
    dead.kill("SIGKILL");
    await once(dead, "exit");
    using _ = lockDirectory(dir);
    expect(holderOf(dir)?.pid).toBe(process.pid);
  });

  test("of another process that has the pid now is taken over", () => {
    writeFileSync(join(dir, "up.lock"), JSON.stringify({ pid: process.pid, startTime: "1" }));
    using _ = lockDirectory(dir);
    expect(holderOf(dir)?.startTime).not.toBe("1");
  });

  test("that is no lock of ours is nobody's", () => {
    writeFileSync(join(dir, "up.lock"), "torn{");
    using _ = lockDirectory(dir);
    expect(holderOf(dir)?.pid).toBe(process.pid);
  });
});

describe("the plan of a cluster", () => {
  test("is three nodes from 3307 on with the embedded Consul, unless asked otherwise", async () => {
    const plan = await planCluster(null, { dir, basePort: 21_307 }, "mysql");
    expect(plan).toMatchObject({ name: "mysql", recipe: "mysql", consul: { embedded: true } });
    expect(plan.nodes.map(({ name }) => name)).toEqual(["mysql-1", "mysql-2", "mysql-3"]);
    expect(localNodes(dir, plan).map(({ basePort }) => basePort)).toEqual([21_307, 21_317, 21_327]);
    const asked = await planCluster(null, { dir, nodes: 1, consul: "http://c:8500" }, "mysql");
    expect(asked).toMatchObject({
      basePort: 3307,
      consul: { embedded: false, url: "http://c:8500" },
    });
  });

  test("continues with what the directory has, and may grow", async () => {
    const first = await planCluster(null, { dir, nodes: 2, basePort: 21_307 }, "mysql");
    writeCluster(dir, first);
    const again = await planCluster(readCluster(dir), { dir }, "mysql");
    expect(again).toEqual(first);
    const grown = await planCluster(first, { dir, nodes: 3 }, "mysql");
    expect(grown.nodes.map(({ index }) => index)).toEqual([0, 1, 2]);
  });

  test("an option that contradicts the directory is refused", async () => {
    const has = await planCluster(null, { dir, nodes: 2, basePort: 21_307 }, "mysql");
    const wrong = [
      { nodes: 1 },
      { basePort: 1_111 },
      { consul: "http://x" },
      { dnsPort: 1_053 },
      { cluster: "x" },
      { recipe: "x" },
    ];
    for (const option of wrong)
      await expect(planCluster(has, { dir, ...option }, "mysql")).rejects.toMatchObject({
        code: "AP_USAGE",
      });
    for (const option of [{ nodes: 0 }, { nodes: 51 }, { basePort: 80 }, { basePort: 65_530 }])
      await expect(planCluster(null, { dir, ...option }, "mysql")).rejects.toMatchObject({
        code: "AP_USAGE",
      });
  });

  test("the embedded Consul answers DNS beside it, or where it is told to; a real one does not", async () => {
    const plan = await planCluster(null, { dir, basePort: 21_307 }, "mysql");
    expect(plan.consul).toEqual({
      embedded: true,
      url: "http://127.0.0.1:21316",
      dnsPort: 21_315,
    });
    const asked = await planCluster(null, { dir, basePort: 21_307, dnsPort: 8_600 }, "mysql");
    expect(asked.consul.dnsPort).toBe(8_600);
    const real = planCluster(null, { dir, dnsPort: 8_600, consul: "http://c:8500" }, "mysql");
    await expect(real).rejects.toMatchObject({ code: "AP_USAGE" });
  });

  test("a node's name is its own", () => {
    const cluster: Cluster = {
      name: "c",
      recipe: "mysql",
      basePort: 1,
      consul: { embedded: true, url: "" },
      nodes: [{ name: "mysql-4", index: 3 }],
      upPid: null,
    };
    expect(withNode(cluster, null).nodes.at(-1)).toEqual({ name: "mysql-5", index: 4 });
    expect(withNode(cluster, "spare").nodes.at(-1)).toEqual({ name: "spare", index: 4 });
    expect(() => withNode(cluster, "mysql-4")).toThrow("already");
    expect(() => withNode(cluster, "../evil")).toThrow("expected small letters");
  });
});

describe("this machine", () => {
  test("taken ports are named, with who has them", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const node = { name: "n", index: 0, dir, host: "127.0.0.1", consul: "", basePort: port - 1 };
    await expect(claimPorts([node], [])).rejects.toMatchObject({
      code: "AP_PORT_IN_USE",
      message: expect.stringContaining(String(port)) as string,
    });
    if (process.platform === "linux") expect(listenerOf(port)).toContain(`(pid ${process.pid})`);
    server.close();
    await once(server, "close");
    await claimPorts([], [await anyFreePort()]);
  });

  test("a zombie does not run", async () => {
    const child = spawn("sh", ["-c", "sleep 600 & kill -9 $!; echo $!; exec sleep 600"]);
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    await until("its killed child does not run", () => !isRunning(Number(String(line))));
    child.kill("SIGKILL");
    await once(child, "exit");
  });

  test("a socket is in the node's directory, or elsewhere where that path is too long for one", () => {
    expect(controlSocketOf(dir)).toBe(join(dir, "control.sock"));
    const deep = join(dir, "x".repeat(100));
    const path = controlSocketOf(deep);
    expect(Buffer.byteLength(path)).toBeLessThanOrEqual(107);
    expect(controlSocketOf(deep)).toBe(path);
    expect(controlSocketOf(`${deep}y`)).not.toBe(path);
  });
});

describe("what `up` shows", () => {
  const ready = { dir: "/d", consul: "http://c", nodes: [{ name: "mysql-1" }] };
  const event = {
    at: "2026-01-02T03:04:05.678Z",
    type: "says",
    what: "primary",
    facts: { role: "primary" },
  };

  test("for programs is one JSON object per line", () => {
    const lines: string[] = [];
    using show = showJson((line) => lines.push(line));
    show.progress("fetching");
    show.event("mysql-1", event);
    show.ready(ready, ["try this"]);
    show.stopped();
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      { event: "progress", what: "fetching" },
      { event: "node", node: "mysql-1", ...event },
      { event: "ready", ...ready },
      { event: "stopped" },
    ]);
  });

  test("for a pipe is lines, with what to try", () => {
    const lines: string[] = [];
    using show = showLines((line) => lines.push(line));
    show.event("mysql-1", event);
    show.ready(ready, ["try this"]);
    expect(lines).toEqual([
      "03:04:05.678 mysql-1  primary",
      "ready: 1 nodes in /d, Consul at http://c",
      "  try this",
    ]);
  });

  test("for a terminal is a table that is drawn again over itself", async () => {
    let out = "";
    const show = showTable({ write: (text) => (out += text), columns: () => 40 });
    const row = {
      name: "mysql-1",
      address: "127.0.0.1:3307",
      pid: 1,
      role: "primary",
      says: "x".repeat(99),
    };
    show.nodes([row]);
    await until("it is drawn", () => out.includes("mysql-1"));
    // eslint-disable-next-line no-control-regex
    const plain = out.replaceAll(/\u001b\[[\d;]*[A-Za-z]/g, "");
    for (const line of plain.split("\n")) expect(line.length).toBeLessThan(40);
    out = "";
    show.event("mysql-1", event);
    show[Symbol.dispose]();
    expect(out).toContain("\u001b[3A");
    expect(out).toContain("03:04:05.678 mysql-1  primary");
  });
});
