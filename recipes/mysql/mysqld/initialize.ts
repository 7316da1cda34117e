// Makes a new datadir. It is built in data.half and gets its name when it is complete, so a crash at any moment leaves
// either nothing usable or everything. `mysqld --initialize-insecure` runs our SQL from a 0600 file in the same process:
// nothing is ever reachable with an empty password, and nothing of it is in a binlog, so the server starts with no GTID.
import { randomBytes } from "node:crypto";
import { open, rm } from "node:fs/promises";
import { UnavailableError, type Supervise, type Tool } from "../../../src/index.ts";
import { readDatadir, removeHalf, writeAutoCnf, writeNode } from "./datadir.ts";
import { renameDurable, syncTree, writing } from "./durable.ts";
import { clusterSql } from "./initial-sql.ts";
import { layout } from "./layout.ts";
import { runMysqld } from "./run-mysqld.ts";
import type { Secrets } from "./secrets.ts";

export type NewDatadir = {
  readonly tool: Tool;
  /** The node's directory; its my.cnf must be there (my-cnf.ts). */
  readonly dir: string;
  /** server_uuid of the new datadir: never one that was used before. */
  readonly uuid: string;
  readonly serverId: number;
  readonly clusterId: string;
  readonly secrets: Secrets;
  /** Ends mysqld at once. */
  readonly signal: AbortSignal;
  readonly spawn: Supervise;
};

/**
 * Makes data/ with the cluster's accounts, databases and tables, and writes node.json. Takes about 2 s.
 * Errors: UnavailableError AP_PROVISION_FAILED with mysqld's own message; ConfigError when the directory is not usable.
 */
export async function initialize(o: NewDatadir): Promise<void> {
  await requireEmpty(o.dir);
  const half = `${layout(o.dir).data}.half`;
  await initializeInto(o, half, clusterSql(o.secrets, o));
  await complete(o, half);
}

/** A datadir is only ever made where there is none; leftovers of earlier runs go. */
export async function requireEmpty(dir: string): Promise<void> {
  const { kind } = await readDatadir(dir);
  if (kind === "ready" || kind === "foreign") {
    throw new UnavailableError("AP_PROVISION_FAILED", `${layout(dir).data} is not empty`);
  }
  await removeHalf(dir);
}

/** Runs `mysqld --initialize-insecure` with these statements, one per line; they end nowhere but in a 0600 file. */
export async function initializeInto(
  o: Pick<NewDatadir, "tool" | "dir" | "secrets" | "signal" | "spawn">,
  datadir: string,
  statements: readonly string[],
  more: readonly string[] = [],
): Promise<void> {
  const sql = `${layout(o.dir).data}.half-${randomBytes(4).toString("hex")}.sql`;
  try {
    await writeSecretFile(sql, `${statements.join(";\n")};\n`);
    await runMysqld(o, [
      `--datadir=${datadir}`,
      "--initialize-insecure",
      `--init-file=${sql}`,
      // my.cnf's closed start would refuse our own statements.
      "--super-read-only=OFF",
      "--read-only=OFF",
      "--skip-log-bin",
      ...more,
    ]);
  } finally {
    await rm(sql, { force: true });
  }
}

/** Gives a half-made datadir its identity, and its name last of all. */
export async function complete(
  o: Pick<NewDatadir, "dir" | "uuid" | "serverId" | "clusterId">,
  half: string,
): Promise<void> {
  await writeAutoCnf(half, o.uuid);
  await writing(half, () => syncTree(half));
  await writeNode(o.dir, o);
  await renameDurable(half, layout(o.dir).data);
}

async function writeSecretFile(path: string, text: string): Promise<void> {
  await writing(path, async () => {
    const file = await open(path, "wx", 0o600);
    try {
      await file.writeFile(text);
    } finally {
      await file.close();
    }
  });
}
