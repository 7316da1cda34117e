// A primary that dies in the middle of a transaction leaves half of it in the relay logs. A take-over must not wait for
// the other half: MySQL's coordinator would, for a minute (measured, 9.7.4).
import { connect as dial, createServer, type AddressInfo, type Socket } from "node:net";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { contains, gtidSet } from "../../recipes/mysql/core/gtid.ts";
import type { Mysqld } from "../../recipes/mysql/mysqld/port.ts";
import { lab, promote, until, type Lab, type Server } from "./servers.ts";

vi.setConfig({ testTimeout: 100_000 });

let servers: Lab;
let a: Server;
let b: Server;
let primary: Mysqld;
let replica: Mysqld;

beforeAll(async () => {
  servers = await lab();
  [a, b] = [await servers.server(1), await servers.server(2)];
  [primary, replica] = [await a.mysqld(), await b.mysqld()];
  await promote(primary, { epoch: 1, acks: 0, replicas: [1, 2] });
}, 60_000);
afterAll(() => servers[Symbol.asyncDispose]());

/** Lets `limit` more bytes through towards the replica, once told so, and then nothing. */
async function narrow(port: number) {
  let left = Infinity;
  const sockets = new Set<Socket>();
  const relay = createServer((client) => {
    const server = dial(port, "127.0.0.1");
    for (const one of [client, server]) {
      sockets.add(one);
      one.on("error", () => one.destroy());
    }
    client.pipe(server);
    server.on("data", (bytes: Buffer) => {
      const part = bytes.subarray(0, Math.max(0, Math.min(left, bytes.length)));
      left -= part.length;
      if (part.length > 0) client.write(part);
    });
  });
  await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
  return {
    port: (relay.address() as AddressInfo).port,
    allow: (bytes: number) => (left = bytes),
    passed: () => left <= 0,
    [Symbol.dispose]() {
      for (const one of sockets) one.destroy();
      relay.close();
    },
  };
}

test("is taken over without waiting for the rest of it", async () => {
  await using app = await a.app();
  await app.rows("CREATE TABLE app.big (id INT PRIMARY KEY, v LONGBLOB)", 5_000);
  using path = await narrow(a.port);
  await replica.follow({ host: "127.0.0.1", port: path.port }, { serverId: 2 }, false);
  const held = gtidSet((await primary.observe()).executed);
  await until("the replica has all", async () =>
    contains(gtidSet((await replica.observe()).executed), held),
  );
  path.allow(3_000_000);
  await app.rows("BEGIN", 5_000);
  for (let id = 1; id <= 6; id++)
    await app.rows(`INSERT INTO app.big VALUES (${id}, REPEAT('x', 1000000))`, 5_000);
  await app.rows("COMMIT", 20_000);
  await until("half of it is through", () => Promise.resolve(path.passed()));
  const { executed } = await replica.stopReceiver();
  await replica.takeOver(0);
  const after = await replica.observe();
  expect(after.source).toBeNull();
  expect(after.executed).toBe(executed);
  await using read = await b.app();
  expect(await read.rows("SELECT COUNT(*) AS n FROM app.big", 5_000)).toEqual([{ n: 0 }]);
});
