// A standalone MariaDB for tests: bootstrapped with the system tables of its own package, reached by its socket alone. Its
// pages have 8 KiB, which only backup-my.cnf of an image tells a preparation.
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Tool } from "../../src/local/toolchain.ts";
import type { Supervised } from "../../src/runtime/supervisor.ts";
import { connect, type Sql, type Target } from "../../recipes/mysql/mysqld/connection.ts";
import { supervise, until } from "../mysqld/servers.ts";

export type MariadbServer = AsyncDisposable & {
  readonly dir: string;
  readonly login: Target;
  readonly admin: () => Promise<Sql>;
  readonly child: Supervised;
};

const SYSTEM_TABLES = [
  "mysql_system_tables.sql",
  "mysql_performance_tables.sql",
  "mysql_system_tables_data.sql",
];
const PASSWORD = 'pass "word# \\of the admin';

/** Makes a datadir in `dir`/data and starts a server on it. */
export async function startMariadb(tool: Tool, dir: string): Promise<MariadbServer> {
  const data = join(dir, "data");
  await mkdir(data, { recursive: true });
  const share = join(tool.prefix ?? "", "usr/share/mysql");
  const sql = await Promise.all(SYSTEM_TABLES.map((name) => readFile(join(share, name), "utf8")));
  const [program = "", ...before] = tool.command("mariadbd");
  execFileSync(program, [...before, ...options(tool, data), "--bootstrap"], {
    input: ["create database if not exists mysql;", "use mysql;", ...sql, ""].join("\n"),
    stdio: ["pipe", "ignore", "ignore"],
  });
  const accounts = join(dir, "accounts.sql");
  const literal = PASSWORD.replaceAll("\\", "\\\\");
  await writeFile(
    accounts,
    `CREATE USER admin@localhost IDENTIFIED BY '${literal}';\nGRANT ALL ON *.* TO admin@localhost WITH GRANT OPTION;\n`,
    { mode: 0o600 },
  );
  return await startOn(tool, data, ["--log-bin=mbin", "--server-id=1", `--init-file=${accounts}`]);
}

/** A server on a datadir that is there already. */
export async function startOn(
  tool: Tool,
  data: string,
  more: readonly string[] = [],
): Promise<MariadbServer> {
  const run = await mkdtemp(join(tmpdir(), "autopilot-"));
  const socket = join(run, "s");
  const log = join(run, "log");
  const child = supervise({ name: "mariadbd" });
  const argv = [
    ...tool.command("mariadbd"),
    ...options(tool, data),
    `--socket=${socket}`,
    `--pid-file=${join(run, "pid")}`,
    "--skip-networking",
    ...more,
  ];
  const started = await child.start({ argv, output: { file: log } });
  if (!started.ok) throw started.error;
  const login = { socket, user: "admin", password: PASSWORD };
  await until(`MariaDB answers on ${data}`, async () => {
    if (!child.facts().running) throw new Error(await readFile(log, "utf8"));
    return connect(login, 5_000).then(
      (sql) => (sql.destroy(), true),
      () => false,
    );
  });
  return {
    dir: data,
    login,
    child,
    admin: () => connect(login, 20_000),
    [Symbol.asyncDispose]: async () => {
      await child[Symbol.asyncDispose]();
      await rm(run, { recursive: true, force: true });
    },
  };
}

function options(tool: Tool, data: string): readonly string[] {
  return [
    "--no-defaults",
    ...(process.getuid?.() === 0 ? ["--user=root"] : []),
    `--datadir=${data}`,
    `--lc-messages-dir=${join(tool.prefix ?? "", "usr/share/mysql")}`,
    "--log-warnings=0",
    "--innodb-log-file-size=8388608",
    "--innodb-page-size=8192",
    "--innodb-buffer-pool-size=33554432",
  ];
}
