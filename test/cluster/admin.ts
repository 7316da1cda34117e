// Looking into a living cluster, and writing past it, as the agent's own account may: for stories about evidence.
import { globSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import mysql, { type Connection } from "mysql2/promise";
import type { Cluster, NodeStatus } from "./harness.ts";
import { until } from "./until.ts";

/** A table beside the ledger's. */
export const TABLE = "CREATE TABLE IF NOT EXISTS app.notes (id INT PRIMARY KEY, v VARCHAR(40))";

/** As the agent itself. A connection that a killed server ends is no failure of the test. */
export async function admin(cluster: Cluster, { port }: NodeStatus): Promise<Connection> {
  const password = (await readFile(join(cluster.dir, "secrets", "admin"), "utf8")).trim();
  const login = { host: "127.0.0.1", port: port + 1, user: "autopilot", password };
  const connection = await mysql.createConnection({ ...login, multipleStatements: true });
  connection.on("error", () => undefined);
  return connection;
}

export async function on<T>(
  cluster: Cluster,
  node: NodeStatus,
  work: (sql: Connection) => Promise<T>,
): Promise<T> {
  const sql = await admin(cluster, node);
  try {
    return await work(sql);
  } finally {
    sql.destroy();
  }
}

export function replicas(cluster: Cluster): Promise<readonly [NodeStatus, NodeStatus]> {
  return until("there are two replicas", async () => {
    const [one, two] = (await cluster.status()).nodes.filter(({ role }) => role === "replica");
    return one === undefined || two === undefined ? null : ([one, two] as const);
  });
}

export const uuidOf = (cluster: Cluster, node: NodeStatus): Promise<string> =>
  on(cluster, node, async (sql) => {
    const [rows] = await sql.query("SELECT @@server_uuid AS uuid");
    return String((rows as { uuid: string }[])[0]?.uuid);
  });

/** The decoded transactions of all evidence of this node. */
export async function evidenceOf(cluster: Cluster, name: string): Promise<string> {
  const paths = globSync(join(cluster.dir, "nodes", name, "errant", "*", "transactions.txt"));
  return (await Promise.all(paths.map((path) => readFile(path, "utf8")))).join("\n");
}

export async function notesOn(cluster: Cluster, node: NodeStatus): Promise<readonly string[]> {
  return await on(cluster, node, async (sql) => {
    const [rows] = await sql.query("SELECT v FROM app.notes ORDER BY id");
    return (rows as { v: string }[]).map(({ v }) => v);
  });
}
