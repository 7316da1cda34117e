// The whole way by the command line: a real image and an archive, both encrypted, and from them a datadir on a machine that
// knows nothing but the store's address and the identity.
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { openEngine } from "../../recipes/mysql/backup/engines/open.ts";
import { timeText } from "../../recipes/mysql/backup/restore-plan.ts";
import { takeSnapshot } from "../../recipes/mysql/backup/snapshot.ts";
import { writeNode } from "../../recipes/mysql/mysqld/datadir.ts";
import { layout } from "../../recipes/mysql/mysqld/layout.ts";
import { realClock } from "../../src/runtime/clock.ts";
import { cli } from "../cli/cli.ts";
import { CLUSTER, lab, startServer, type Lab, type Server } from "../mysqld/servers.ts";
import { primary, runArchiver, storeIn } from "./archive-fixture.ts";
import { ZSTD } from "./fixture.ts";
import { makeTables, rotate, writeSmall } from "./history.ts";
import { executedOf, sumsOf } from "./restore-fixture.ts";

vi.setConfig({ testTimeout: 90_000, hookTimeout: 120_000 });

let servers: Lab;
let server: Server;
let common: readonly string[] = [];
let moment: { executed: string; at: number; sums: unknown };

beforeAll(async () => {
  servers = await lab();
  server = await primary(servers, 1);
  const objects = join(servers.dir, "objects");
  await mkdir(objects);
  const store = storeIn(servers);
  const identity = await generateX25519Identity();
  const recipients = [await identityToRecipient(identity)];
  const file = join(servers.dir, "identity");
  await writeFile(file, `${identity}\n`, { mode: 0o600 });
  common = ["restore", "--from", objects, "--identity", file];
  await using run = await runArchiver(server, store, { sealing: { level: 1, recipients } });
  await makeTables(server);
  await writeSmall(server, 2, 10);
  const { adminPort: port } = server;
  const password = servers.secrets.admin;
  const login = { host: "127.0.0.1", port, user: "autopilot", password } as const;
  const { myCnf } = layout(server.dir);
  const engine = openEngine({ name: "clone", tool: servers.tool, server: { login, myCnf } });
  await takeSnapshot(
    { store, clock: realClock, engine, zstd: ZSTD },
    {
      cluster: { name: "shop", id: CLUSTER, restoredFrom: null },
      node: { name: "n1", uuid: server.uuid, role: "primary" },
      epoch: 1,
      server: { flavor: "mysql", version: servers.tool.version },
      parent: null,
      scratch: join(server.dir, "scratch"),
      level: 1,
      recipients,
      rate: null,
      signal: new AbortController().signal,
      progress: () => undefined,
    },
  );
  await writeSmall(server, 2, 20);
  await rotate(server);
  await writeSmall(server, 2, 20);
  await using sql = await server.admin();
  const executed = await executedOf(server);
  const [row] = await sql.rows("SELECT UNIX_TIMESTAMP(NOW(6)) * 1000000 AS at", 5_000);
  moment = { executed, at: Math.floor(Number(row?.["at"])), sums: await sumsOf(sql) };
  await writeSmall(server, 2, 5);
  await run.caughtUp();
});
afterAll(() => servers[Symbol.asyncDispose]());

test("restores to a time, tells the plan before, and leaves a datadir that starts", async () => {
  const place = await servers.place(9);
  const into = layout(place.dir).data;
  const argv = [...common, "--into", into, "--to-time", timeText(moment.at), "--json"];
  const planned = await cli([...argv, "--dry-run"]);
  expect(planned.stderr).toBe("");
  expect(planned.code).toBe(0);
  const plan = JSON.parse(planned.stdout) as Record<string, unknown>;
  expect(plan).toMatchObject({ type: "plan", gtid: moment.executed });
  await expect(readdir(into)).rejects.toMatchObject({ code: "ENOENT" });

  const done = await cli(argv);
  expect(done.stderr).toBe("");
  expect(done.code).toBe(0);
  const said = done.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(said[0]).toEqual(plan);
  expect(said[1]).toMatchObject({ type: "restored", into, gtid: moment.executed });
  const note = await readFile(join(into, "autopilot-restore.json"), "utf8");
  expect(JSON.parse(note)).toMatchObject({ gtid: moment.executed, cluster: { name: "shop" } });
  expect((await readdir(into)).filter((name) => name.startsWith("restore"))).toEqual([]);

  await writeNode(place.dir, { ...place, clusterId: CLUSTER });
  const restored = await startServer(place, servers);
  await using sql = await restored.admin();
  expect(await executedOf(restored)).toBe(moment.executed);
  expect(await sumsOf(sql)).toEqual(moment.sums);
  const again = await cli(argv);
  expect(again.code).toBe(3);
  expect(again.stderr).toContain("AP_RESTORE_INTO");
});

test("says what can be recovered, and writes nothing, where the moment is not one", async () => {
  const into = join(servers.dir, "nowhere");
  const refused = await cli([...common, "--into", into, "--to-time", "2020-01-01T00:00:00Z"]);
  expect(refused.code).toBe(3);
  expect(refused.stderr).toContain("every moment from");
  expect(refused.stderr).toContain("AP_RESTORE_TARGET");
  await expect(readdir(into)).rejects.toMatchObject({ code: "ENOENT" });
  const both = [...common, "--into", into, "--latest", "--to-gtid", "x:1"];
  expect(await cli(both)).toMatchObject({ code: 64 });
  expect((await cli(["restore", "--into", into])).stderr).toContain("AP_BACKUP_STORE");
});
