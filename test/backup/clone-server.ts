// A MySQL server of the lab as an engine's server, and one started on what an engine unpacked.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { gtidSet, restrictTo, size } from "../../recipes/mysql/core/gtid.ts";
import type { ImageFacts } from "../../recipes/mysql/backup/engine.ts";
import { connect, quote, type Sql } from "../../recipes/mysql/mysqld/connection.ts";
import { layout } from "../../recipes/mysql/mysqld/layout.ts";
import { supervise, until, type Lab, type Server } from "../mysqld/servers.ts";

/** As a person would start it on a restored datadir, with the configuration of the node that it is of. */
export async function onDatadir<T>(
  servers: Lab,
  like: Server,
  datadir: string,
  ask: (sql: Sql) => Promise<T>,
): Promise<T> {
  const log = `${datadir}.log`;
  const socket = join(datadir, "s");
  const argv = [
    ...servers.tool.command("mysqld"),
    `--defaults-file=${layout(like.dir).myCnf}`,
    `--datadir=${datadir}`,
    `--socket=${socket}`,
    `--pid-file=${datadir}.pid`,
    `--log-error=${log}`,
    "--skip-networking",
    "--admin-address=",
  ];
  await using mysqld = supervise({ name: "mysqld" });
  const started = await mysqld.start({ argv, output: { file: log } });
  if (!started.ok) throw started.error;
  const login = { socket, user: "autopilot", password: servers.secrets.admin };
  await until(`a server answers on ${datadir}`, async () => {
    if (!mysqld.facts().running) throw new Error(await readFile(log, "utf8"));
    return connect(login, 5_000).then(
      (sql) => (sql.destroy(), true),
      () => false,
    );
  });
  await using sql = await connect(login, 20_000);
  return await ask(sql);
}

/** What a restore does where the engine's image does not hold the set. */
export async function tellGtid(sql: Sql, facts: ImageFacts): Promise<void> {
  await sql.rows("RESET BINARY LOGS AND GTIDS", 20_000);
  await sql.rows(`SET GLOBAL gtid_purged = ${quote(facts.gtid)}`, 20_000);
}

export const transactionsOf = (gtid: string, uuid: string): number =>
  size(restrictTo(gtidSet(gtid), uuid));

/** Arguments of the processes that have this text in them. */
export async function processesWith(text: string): Promise<readonly string[]> {
  return (await lookFor(text)).map(({ args }) => args);
}

export async function pidsWith(text: string): Promise<readonly number[]> {
  return (await lookFor(text)).map(({ pid }) => pid);
}

async function lookFor(text: string): Promise<readonly { pid: number; args: string }[]> {
  const found: { pid: number; args: string }[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const args = await readFile(join("/proc", pid, "cmdline"), "utf8").catch(() => "");
    if (args.includes(text)) found.push({ pid: Number(pid), args: args.replaceAll("\u0000", " ") });
  }
  return found;
}
