// The drills' network on real sockets: a cut is silence in the directions that it names, for the parties that it names.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { bothWays, CLIENT, CONSUL, Network } from "../../recipes/mysql/drills/network.ts";
import { until } from "../cluster/until.ts";

/** A server that answers each text with the same text in capitals, and keeps what it got. */
class Upper implements AsyncDisposable {
  readonly server: Server;
  readonly sockets: Socket[] = [];
  /** Those that said something: the network itself connects to see whether anybody listens. */
  readonly talking: Socket[] = [];
  got = "";
  ended = 0;

  private constructor() {
    this.server = createServer({ allowHalfOpen: true }, (socket) => {
      this.sockets.push(socket);
      socket.on("error", () => undefined); // the tests reset some
      socket.on("end", () => {
        if (this.talking.includes(socket)) this.ended += 1;
        socket.end();
      });
      socket.on("data", (data) => {
        if (!this.talking.includes(socket)) this.talking.push(socket);
        this.got += String(data);
        socket.write(String(data).toUpperCase());
      });
    });
  }

  static async start(port = 0): Promise<Upper> {
    const upper = new Upper();
    await once(upper.server.listen(port, "127.0.0.1"), "listening");
    return upper;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.resetAndDestroy();
    this.server.close();
    await Promise.resolve();
  }
}

/** One end that remembers. */
class Caller {
  readonly socket: Socket;
  got = "";
  fate: "open" | "ended" | "reset" | "refused" = "open";

  constructor(network: Network, port: number, from = CLIENT) {
    const localAddress = network.addressOf(from);
    this.socket = connect({ host: "127.0.1.2", port, localAddress, allowHalfOpen: true });
    this.socket.on("data", (data) => (this.got += String(data)));
    this.socket.on("end", () => (this.fate = "ended"));
    this.socket.on("error", (error: NodeJS.ErrnoException) => {
      this.fate = error.code === "ECONNREFUSED" ? "refused" : "reset";
    });
  }

  async says(text: string): Promise<void> {
    await new Promise((sent) => this.socket.write(text, sent));
  }
}

/** Node b at 127.0.1.2; `pids` of node a. */
async function networkTo(port: number, pids: () => readonly number[] = () => []): Promise<Network> {
  const way = { at: { host: "127.0.1.2", port }, target: { host: "127.0.0.1", port } };
  const pidsOf = () => new Map([["a", pids()]]);
  return Network.start({ ways: [{ to: "b", from: null, ...way }], pidsOf });
}

/** Nothing can prove that nothing comes: an answer that another way takes at the same time proves that it was due. */
async function meanwhile(network: Network, server: Upper): Promise<void> {
  const other = new Caller(network, server.port, "bystander");
  await other.says("ping");
  await until("a bystander is answered", () => other.got.endsWith("PING"));
  other.socket.destroy();
}

test("bytes and the end pass through in both directions", async () => {
  await using server = await Upper.start();
  await using network = await networkTo(server.port);
  const caller = new Caller(network, server.port);
  await caller.says("one");
  await until("the answer", () => caller.got === "ONE");
  caller.socket.end();
  await until("both ends are told", () => server.ended === 1 && caller.fate === "ended");
  await until("the relay is over", () => network.count(CLIENT, "b") === 0);
});

test("where nobody listens a connection is refused, as on a live host, and served when somebody does", async () => {
  const first = await Upper.start();
  const { port } = first;
  await using network = await networkTo(port);
  const caller = new Caller(network, port);
  await caller.says("x");
  await until("it is served", () => caller.got === "X");
  await first[Symbol.asyncDispose]();
  await until("the open one learns of it", () => caller.fate !== "open");
  await until("a new one is refused", async () => {
    const late = new Caller(network, port);
    await until(
      "it knows its fate",
      () => late.fate !== "open" || late.socket.readyState === "open",
    );
    late.socket.destroy();
    return late.fate === "refused";
  });
  await using second = await Upper.start(port);
  await until("it is served again", async () => {
    const again = new Caller(network, port);
    await again.says("y");
    await until("its fate", () => again.got === "Y" || again.fate !== "open");
    again.socket.destroy();
    return again.got === "Y" && second.got !== "";
  });
});

test("a cut freezes what is open, without an end, and afterwards what was frozen flows", async () => {
  await using server = await Upper.start();
  await using network = await networkTo(server.port);
  const caller = new Caller(network, server.port);
  await caller.says("a");
  await until("it flows", () => caller.got === "A");
  const heal = network.cut(bothWays(CLIENT, "b"));
  await caller.says("b");
  server.talking[0]?.write("c");
  await meanwhile(network, server);
  expect([caller.got, caller.fate, server.got.includes("b")]).toEqual(["A", "open", false]);
  heal("flow");
  await until("all of it arrives", () => caller.got === "AcB" || caller.got === "ABc");
  expect(caller.fate).toBe("open");
});

test("a cut of one direction leaves the other", async () => {
  await using server = await Upper.start();
  await using network = await networkTo(server.port);
  const caller = new Caller(network, server.port);
  await caller.says("a");
  await until("it flows", () => caller.got === "A");
  const heal = network.cut([{ from: CLIENT, to: "b" }]);
  await caller.says("b");
  server.talking[0]?.write("news");
  await until("the server is heard", () => caller.got === "Anews");
  await meanwhile(network, server);
  expect(server.got).not.toContain("b");
  heal("flow");
  await until("the client is heard", () => caller.got === "AnewsB");
});

test("a server that ends while it is cut off is not known to have ended until the cut is healed", async () => {
  await using server = await Upper.start();
  await using network = await networkTo(server.port);
  const caller = new Caller(network, server.port);
  await caller.says("a");
  await until("it flows", () => caller.got === "A");
  const heal = network.cut(bothWays(CLIENT, "b"));
  server.talking[0]?.resetAndDestroy();
  await meanwhile(network, server);
  expect(caller.fate).toBe("open");
  heal("flow");
  await until("the client learns of it", () => caller.fate !== "open");
});

test("a new connection through a cut is met with silence, and then served or reset as the healing says", async () => {
  await using server = await Upper.start();
  await using network = await networkTo(server.port);
  for (const healing of ["flow", "reset"] as const) {
    const heal = network.cut(bothWays(CLIENT, "b"));
    const caller = new Caller(network, server.port);
    await caller.says("late");
    expect(await network.hangs(CLIENT, "b")).toBe(true);
    await meanwhile(network, server);
    expect([caller.got, caller.fate]).toEqual(["", "open"]);
    heal(healing);
    const served = () => (healing === "flow" ? caller.got === "LATE" : caller.fate === "reset");
    await until(`healed by ${healing}`, served);
    caller.socket.destroy();
  }
});

test("only the pair that is cut is cut, and a link that two cuts name until both are healed", async () => {
  await using server = await Upper.start();
  await using network = await networkTo(server.port);
  const [one, other] = [CLIENT, "c"].map((party) => new Caller(network, server.port, party));
  if (one === undefined || other === undefined) throw new Error("two callers");
  const heals = [network.cut(bothWays(CLIENT, "b")), network.cut(bothWays(CLIENT, "b"))];
  await one.says("one");
  await other.says("other");
  await until("the other pair is not cut", () => other.got === "OTHER");
  heals[0]?.("flow");
  heals[0]?.("flow");
  await meanwhile(network, server);
  expect(one.got).toBe("");
  heals[1]?.("flow");
  await until("nothing is cut", () => one.got === "ONE");
});

test("a connection is known by the process that made it", async () => {
  await using server = await Upper.start();
  const script = `
    const socket = require("node:net").connect(${server.port}, "127.0.1.2");
    socket.on("data", (data) => console.log(String(data))).on("error", () => process.exit());
    process.stdin.on("data", (data) => socket.write(data)).on("end", () => process.exit());`;
  const child = spawn(process.execPath, ["-e", script], { stdio: ["pipe", "pipe", "inherit"] });
  try {
    await using network = await networkTo(server.port, () => [child.pid ?? 0]);
    const heard: string[] = [];
    createInterface({ input: child.stdout }).on("line", (line) => heard.push(line));
    child.stdin.write("first");
    await until("the child is served", () => heard.includes("FIRST"));
    expect([network.count("a", "b"), network.count(CLIENT, "b")]).toEqual([1, 0]);
    const heal = network.cut(bothWays("a", "b"));
    child.stdin.write("second");
    const caller = new Caller(network, server.port);
    await caller.says("x");
    await until("a client is served", () => caller.got === "X");
    expect(heard).toEqual(["FIRST"]);
    heal("flow");
    await until("the child is served again", () => heard.includes("SECOND"));
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
});

test("a node's own way to Consul is cut for that node alone", async () => {
  await using consul = await Upper.start();
  const { port } = consul;
  const target = { host: "127.0.0.1", port };
  const ways = ["a", "b"].map((from, i) => {
    return { to: CONSUL, from, at: { host: `127.0.1.${i + 1}`, port }, target };
  });
  await using network = await Network.start({ ways, pidsOf: () => new Map() });
  const heal = network.cut(bothWays("a", CONSUL));
  expect(await network.hangs("a", CONSUL)).toBe(true);
  expect(await network.hangs("b", CONSUL)).toBe(false);
  heal("reset");
  expect(await network.hangs("a", CONSUL)).toBe(false);
});
