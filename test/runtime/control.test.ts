import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ask } from "../../src/local/ask.ts";
import { makeBus, type BusEvent } from "../../src/runtime/bus.ts";
import { realClock as clock } from "../../src/runtime/clock.ts";
import { startControl } from "../../src/runtime/control.ts";
import { startHttp } from "../../src/runtime/http.ts";
import { ManualClock, until } from "./manual-clock.ts";

let dir = "";
let path = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "autopilot-control-"));
  path = join(dir, "control.sock");
});
afterEach(() => rmSync(dir, { recursive: true }));

const timeoutMs = 10_000;
const bus = makeBus();
let stops = 0;
const parts = () => ({
  path,
  node: "mysql-1",
  bus,
  clock,
  status: () => ({ tick: 12 }),
  stop: () => (stops += 1),
});

describe("the control socket", () => {
  test("tells who it is and how it is, to its owner only", async () => {
    await using _ = await startControl(parts());
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await ask({ socket: path, path: "/v1/ping", timeoutMs })).toEqual({
      pid: process.pid,
      node: "mysql-1",
    });
    expect(await ask({ socket: path, path: "/v1/status", timeoutMs })).toMatchObject({ tick: 12 });
  });

  test("takes the order to stop", async () => {
    await using _ = await startControl(parts());
    const before = stops;
    await ask({ socket: path, method: "POST", path: "/v1/stop", timeoutMs });
    expect(stops).toBe(before + 1);
  });

  test("tells events from a number on, and waits for the next one", async () => {
    await using _ = await startControl(parts());
    type Told = { events: readonly BusEvent[]; last: number };
    bus.publish("says", "one");
    const first = await ask<Told>({ socket: path, path: "/v1/events?since=0", timeoutMs });
    expect(first.events.at(-1)?.what).toBe("one");
    const waiting = ask<Told>({
      socket: path,
      path: `/v1/events?since=${first.last}&wait=60000`,
      timeoutMs: 60_000,
    });
    const after = ask<Told>({ socket: path, path: `/v1/events?since=${first.last}`, timeoutMs });
    expect((await after).events).toEqual([]);
    bus.publish("says", "two");
    expect((await waiting).events.map(({ what }) => what)).toEqual(["two"]);
  });

  test("what it does not know is a 404, nonsense a 400, and a large body is refused", async () => {
    await using _ = await startControl(parts());
    const send = (at: string, body = ""): Promise<number> =>
      new Promise((resolve, reject) => {
        const asked = request(
          { socketPath: path, path: at, method: body ? "POST" : "GET" },
          (answer) => {
            answer.resume();
            resolve(answer.statusCode ?? 0);
          },
        );
        asked.once("error", reject);
        asked.end(body);
      });
    expect(await send("/v1/nothing")).toBe(404);
    expect(await send("/v1/events?since=abc")).toBe(400);
    expect(await send("/v1/stop", "x".repeat(65 * 1024))).toBe(413);
  });

  test("a second agent of the same node is refused while the first answers", async () => {
    await using _ = await startControl(parts());
    await expect(startControl(parts())).rejects.toMatchObject({ code: "AP_NODE_RUNNING" });
    expect(await ask({ socket: path, path: "/v1/ping", timeoutMs })).toBeTruthy();
  });

  test("the socket of a dead process is replaced", async () => {
    const script = `require("net").createServer().listen(${JSON.stringify(path)}, () => console.log("up"))`;
    const dead = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
    await once(dead.stdout, "data");
    dead.kill("SIGKILL");
    await once(dead, "exit");
    expect(statSync(path).isSocket()).toBe(true);
    await using _ = await startControl(parts());
    expect(await ask({ socket: path, path: "/v1/ping", timeoutMs })).toMatchObject({
      node: "mysql-1",
    });
  });

  test("a file that is no socket is never removed", async () => {
    writeFileSync(path, "precious");
    await expect(startControl(parts())).rejects.toMatchObject({ code: "AP_CONFIG_INVALID" });
    expect(statSync(path).isFile()).toBe(true);
  });

  test("nobody there is one clear error", async () => {
    const nobody = ask({ socket: path, path: "/v1/ping", timeoutMs });
    await expect(nobody).rejects.toMatchObject({ code: "AP_CONTROL_UNREACHABLE" });
  });
});

describe("the agent's HTTP port", () => {
  const facts = { tick: 3, tickedAt: 1_000, report: null };

  test("liveness is whether the loop turns: 200 within five seconds, 503 after, and before the first tick", async () => {
    const time = new ManualClock();
    let ticked: number | null = null;
    await using http = await startHttp({
      clock: time,
      host: "127.0.0.1",
      port: 0,
      facts: () => ({ ...facts, tickedAt: ticked }),
      endpoint: () => null,
    });
    const liveness = async () => {
      const answer = await fetch(`http://127.0.0.1:${http.port}/liveness`);
      return [answer.status, await answer.json()];
    };
    expect(await liveness()).toEqual([503, { alive: false, ageMs: null, tick: 3 }]);
    ticked = time.now();
    time.advance(5_000);
    expect(await liveness()).toEqual([200, { alive: true, ageMs: 5_000, tick: 3 }]);
    time.advance(1);
    expect(await liveness()).toEqual([503, { alive: false, ageMs: 5_001, tick: 3 }]);
  });

  test("other paths are the recipe's, and reading is all that there is", async () => {
    await using http = await startHttp({
      clock,
      host: "127.0.0.1",
      port: 0,
      facts: () => facts,
      endpoint: (at, query) => (at === "/primary" ? [503, { role: query.get("as") }] : null),
    });
    const url = `http://127.0.0.1:${http.port}`;
    const primary = await fetch(`${url}/primary?as=replica`);
    expect([primary.status, await primary.json()]).toEqual([503, { role: "replica" }]);
    expect((await fetch(`${url}/nothing`)).status).toBe(404);
    expect((await fetch(`${url}/liveness`, { method: "POST" })).status).toBe(405);
  });

  test("a port in use is one clear error that names it", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    const start = startHttp({
      clock,
      host: "127.0.0.1",
      port,
      facts: () => facts,
      endpoint: () => null,
    });
    await expect(start).rejects.toMatchObject({
      code: "AP_PORT_IN_USE",
      message: expect.stringContaining(String(port)) as string,
    });
    taken.close();
    await until("the port is free again", () => !taken.listening);
  });
});

describe("the bus", () => {
  test("keeps the newest events, and a number from another life of the node means all of them", () => {
    const small = makeBus(3);
    for (let i = 1; i <= 10; i++) small.publish("says", String(i));
    expect(small.since(0).map(({ what }) => what)).toEqual(["8", "9", "10"]);
    expect(small.since(9).map(({ seq }) => seq)).toEqual([10]);
    expect(small.since(10)).toEqual([]);
    expect(small.since(99).map(({ seq }) => seq)).toEqual([8, 9, 10]);
  });

  test("a subscriber hears until it says that it has enough", () => {
    const heard: string[] = [];
    const end = bus.subscribe(({ what }) => heard.push(what));
    bus.publish("says", "a");
    end();
    bus.publish("says", "b");
    expect(heard).toEqual(["a"]);
  });
});
