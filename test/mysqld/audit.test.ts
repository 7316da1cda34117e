// What weakens the promises inside a server is found, and nothing else (PROTOCOL §2, S26–S28).
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Mysqld } from "../../recipes/mysql/mysqld/port.ts";
import { lab, promote, type Lab, type Server } from "./servers.ts";

vi.setConfig({ testTimeout: 40_000 });

let servers: Lab;
let server: Server;
let mysqld: Mysqld;

beforeAll(async () => {
  servers = await lab();
  server = await servers.server(1);
  mysqld = await server.mysqld();
  await promote(mysqld, { epoch: 1, acks: 0, replicas: [1] });
}, 60_000);
afterAll(() => servers[Symbol.asyncDispose]());

const NOTHING = { first: [], more: false };

test("a server that only we and a plain application use has nothing to tell", async () => {
  await using app = await server.app();
  await app.rows("CREATE TABLE app.plain (id INT PRIMARY KEY)", 5_000);
  expect(await mysqld.audit()).toEqual({
    privileged: NOTHING,
    notTransactional: NOTHING,
    withoutKey: NOTHING,
    preparedXa: 0,
  });
});

test("strong accounts, other engines, tables without a key and prepared XA are found", async () => {
  await using admin = await server.admin();
  for (const statement of [
    "CREATE USER strong@'%', super@'%', plain@'%'",
    "CREATE USER locked@'%' ACCOUNT LOCK",
    "GRANT CONNECTION_ADMIN ON *.* TO strong@'%', locked@'%'",
    "GRANT SUPER ON *.* TO super@'%'",
    "CREATE TABLE app.other (id INT PRIMARY KEY) ENGINE=MyISAM",
    "CREATE TABLE app.keyless (id INT)",
    "XA START 'x'",
    "INSERT INTO app.keyless VALUES (1)",
    "XA END 'x'",
    "XA PREPARE 'x'",
  ])
    await admin.rows(statement, 5_000);
  expect(await mysqld.audit()).toEqual({
    privileged: { first: ["strong@%", "super@%"], more: false },
    notTransactional: { first: ["app.other"], more: false },
    withoutKey: { first: ["app.keyless"], more: false },
    preparedXa: 1,
  });
});

test("a long list is cut, and says so", async () => {
  await using admin = await server.admin();
  for (const n of [1, 2, 3, 4, 5]) await admin.rows(`CREATE TABLE app.no_key_${n} (id INT)`, 5_000);
  const { withoutKey } = await mysqld.audit();
  expect(withoutKey).toEqual({
    first: ["app.keyless", "app.no_key_1", "app.no_key_2", "app.no_key_3", "app.no_key_4"],
    more: true,
  });
});
