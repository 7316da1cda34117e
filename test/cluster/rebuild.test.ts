// Data that is given up for a new copy (PROTOCOL §7 "Rebuild") where the policy is `hold`: the unacknowledged tail of an
// old primary waits for a person, whose order loses no evidence; and orders to rebuild what is healthy.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Connection } from "mysql2/promise";
import { expect } from "vitest";
import { admin, evidenceOf, notesOn, on, replicas, TABLE, uuidOf } from "./admin.ts";
import { acknowledges, type Cluster, type NodeStatus } from "./harness.ts";
import { isAlive, signal } from "./processes.ts";
import { sharedCluster } from "./story.ts";
import { LIMIT_MS, until } from "./until.ts";
import { autopilot } from "./up.ts";

const told = sharedCluster({ env: { AUTOPILOT_MYSQL_REJOIN: "hold" } });

/** The verb waits for a whole copy. */
async function rebuilt(cluster: Cluster, name: string): Promise<Rebuilt> {
  const argv = ["rebuild", name, "--json", "--dir", cluster.dir];
  const { code, stdout, stderr } = await autopilot(argv, 3 * LIMIT_MS);
  expect(`${code} ${stderr}`).toBe("0 ");
  return JSON.parse(stdout) as Rebuilt;
}

type Rebuilt = {
  readonly from: string;
  readonly uuid: string;
  readonly voter: boolean;
  readonly datadir: string;
  readonly errant: string | null;
  readonly gtids: string;
};

/** Not by its state: behind a commit that waits for its acknowledgement others queue up. */
async function hasWrittenNotes(sql: Connection): Promise<boolean> {
  const [logs] = await sql.query("SHOW BINARY LOGS");
  const log = (logs as { Log_name: string }[]).at(-1)?.Log_name ?? "";
  const [events] = await sql.query(`SHOW BINLOG EVENTS IN '${log}'`);
  return (events as { Event_type: string; Info: string }[]).some(
    ({ Event_type: type, Info: info }) => type === "Table_map" && info.includes("app.notes"),
  );
}

told(
  "an old primary's unacknowledged tail waits for a person where the policy says so, and `rebuild` keeps it as evidence",
  async (cluster, run) => {
    const old = await cluster.primary();
    const others = await replicas(cluster);
    await on(cluster, old, (sql) => sql.query(TABLE));
    // Nobody acts while the scene is set: the replicas receive nothing more, and the primary does not go on alone.
    const agents = [old, ...others].map(({ pid }) => pid ?? 0);
    for (const pid of agents) signal(pid, "SIGSTOP");
    for (const other of others)
      await on(cluster, other, (sql) => sql.query("STOP REPLICA IO_THREAD"));
    const writer = await admin(cluster, old);
    const lost = writer.query("INSERT INTO app.notes VALUES (2, 'nobody was told')").then(
      () => "acknowledged",
      () => "no answer",
    );
    await until("it is in the binary log", () => on(cluster, old, hasWrittenNotes));
    for (const pid of [old.pid ?? 0, old.mysqldPid ?? 0]) signal(pid, "SIGKILL");
    expect(await lost).toBe("no answer");
    writer.destroy();
    await until("it is dead", () => !isAlive(old.pid ?? 0) && !isAlive(old.mysqldPid ?? 0));
    for (const pid of agents.slice(1)) signal(pid, "SIGCONT");
    await acknowledges(run);

    await cluster.must("node", "start", old.name);
    await until("it is kept for a person", async () =>
      (await cluster.node(old.name)).says.includes("kept for a person"),
    );
    expect(await evidenceOf(cluster, old.name)).not.toContain("nobody was told");
    const done = await rebuilt(cluster, old.name);
    expect(done).toMatchObject({ ok: true, node: old.name });
    expect(done.gtids).not.toBe("");
    expect(await readFile(join(done.errant ?? "", "transactions.txt"), "utf8")).toContain(
      "nobody was told",
    );
    expect(await notesOn(cluster, await cluster.primary())).toEqual([]);
  },
);

told(
  "`rebuild` of a healthy voter under load gives it a new copy, and its vote back",
  async (cluster, run) => {
    const [replica] = await replicas(cluster);
    const { epoch } = await cluster.status();
    const done = await rebuilt(cluster, replica.name);
    await acknowledges(run);
    expect(done).toMatchObject({ ok: true, voter: true, errant: null, gtids: "" });
    expect(done.uuid).not.toBe(done.from);
    expect(await readFile(join(done.datadir, "data", "auto.cnf"), "utf8")).toContain(done.from);
    expect(await uuidOf(cluster, await cluster.node(replica.name))).toBe(done.uuid);
    // The primary was never in doubt.
    expect((await cluster.status()).epoch).toBe(epoch);
  },
);

told(
  "`rebuild` is refused for the primary, an unknown node, and in a paused cluster; nothing moves",
  async (cluster, run) => {
    const before = await cluster.status();
    const [replica] = await replicas(cluster);
    const primary = await cluster.verb("rebuild", (await cluster.primary()).name);
    expect(primary).toMatchObject({ code: 3 });
    expect(primary.stderr).toContain("switch over first");
    expect(await cluster.verb("rebuild", "nobody")).toMatchObject({ code: 3 });
    await cluster.must("pause");
    const paused = await cluster.verb("rebuild", replica.name);
    await cluster.must("resume");
    expect(paused).toMatchObject({ code: 3 });
    expect(paused.stderr).toContain("AP_REBUILD_REFUSED");
    await acknowledges(run);
    const { epoch, voters } = before;
    expect(await cluster.status()).toMatchObject({ epoch, voters });
  },
);

told("the account of a replica that is gone is dropped everywhere", async (cluster) => {
  const primary = await cluster.primary();
  const [replica] = await replicas(cluster);
  const exists = (node: NodeStatus) =>
    on(cluster, node, async (sql) => {
      const [rows] = await sql.query("SELECT 1 FROM mysql.user WHERE user = 'autopilot_repl_77'");
      return (rows as unknown[]).length === 1;
    });
  await on(cluster, primary, (sql) =>
    sql.query("CREATE USER 'autopilot_repl_77'@'%' IDENTIFIED BY 'x' ACCOUNT LOCK"),
  );
  for (const node of [primary, replica])
    await until(`${node.name} has dropped it`, async () => !(await exists(node)));
  const claimed = (await cluster.status()).nodes.map((node) => node.name);
  expect(claimed).toHaveLength(3);
});
