// A mysqld on a datadir that is being restored: closed to everybody but us, without a binary log, so that what is replayed
// keeps its GTIDs and makes none, and with an account of its own that goes before it stops.
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  UnavailableError,
  messageOf,
  type Supervise,
  type Supervised,
  type Tool,
} from "../../../src/index.ts";
import { connect, quote, type Sql } from "../mysqld/connection.ts";
import { toolPaths } from "../mysqld/my-cnf.ts";

export type ScratchServer = {
  readonly tool: Tool;
  readonly spawn: Supervise;
  readonly signal: AbortSignal;
  readonly datadir: string;
  /** Where relay logs and the error log go. */
  readonly workdir: string;
  readonly workers: number;
};

export interface Scratch extends AsyncDisposable {
  readonly sql: Sql;
  /** Removes our account and shuts down well. Errors: UnavailableError AP_RESTORE_FAILED. */
  close(): Promise<void>;
}

/** Crash recovery of a large image, and what a full disk of dirty pages takes to be flushed. */
const START_MS = 30 * 60_000;
const STOP_MS = 30 * 60_000;
const LOOK_EVERY_MS = 50;
const STATEMENT_MS = 60_000;
const RELAY = "relay";

/** Disposing of it kills it. Errors: UnavailableError AP_RESTORE_FAILED, AP_SPAWN_FAILED; the signal's reason. */
export async function startScratch(o: ScratchServer): Promise<Scratch> {
  // A socket's path has a limit; its directory is nobody else's.
  const run = await mkdtemp(join(tmpdir(), "autopilot-"));
  const child = o.spawn({ name: "mysqld" });
  const kill = (): void => child.kill();
  o.signal.addEventListener("abort", kill, { once: true });
  async function end(): Promise<void> {
    o.signal.removeEventListener("abort", kill);
    await child[Symbol.asyncDispose]();
    await rm(run, { recursive: true, force: true });
  }
  try {
    const account = {
      user: `autopilot_restore_${randomBytes(4).toString("hex")}`,
      // What a policy for passwords may want of one.
      password: `${randomBytes(24).toString("base64url")}aA1-`,
    };
    const init = join(run, "init.sql");
    await writeFile(init, `${accountSql(account).join(";\n")};\n`, { mode: 0o600 });
    o.signal.throwIfAborted();
    const argv = [...o.tool.command("mysqld"), ...argsOf(o, { run, init })];
    const started = await child.start({ argv, output: { file: errorLog(o) } });
    if (!started.ok) throw started.error;
    const sql = await connectWhenUp(o, child, { socket: join(run, "s"), ...account });
    await rm(init);
    return {
      sql,
      close: () => close(o, child, sql, account.user),
      [Symbol.asyncDispose]: async () => {
        sql.destroy();
        await end();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}

const errorLog = ({ workdir }: ScratchServer): string => join(workdir, "mysqld.log");

type Account = { readonly user: string; readonly password: string };

function accountSql({ user, password }: Account): readonly string[] {
  const name = `${quote(user)}@'localhost'`;
  return [
    `CREATE USER ${name} IDENTIFIED BY ${quote(password)}`,
    `GRANT ALL ON *.* TO ${name} WITH GRANT OPTION`,
  ];
}

function argsOf(
  { tool, datadir, workdir, workers }: ScratchServer,
  { run, init }: { readonly run: string; readonly init: string },
): readonly string[] {
  const own = toolPaths(tool.prefix);
  return [
    "--no-defaults",
    ...(process.getuid?.() === 0 ? ["--user=root"] : []),
    ...(own === null
      ? []
      : [
          `--basedir=${own.basedir}`,
          `--plugin-dir=${own.pluginDir}`,
          `--lc-messages-dir=${own.messagesDir}`,
        ]),
    `--datadir=${datadir}`,
    `--socket=${join(run, "s")}`,
    `--pid-file=${join(run, "pid")}`,
    `--init-file=${init}`,
    "--persisted-globals-load=OFF",
    "--skip-networking",
    "--mysqlx=OFF",
    "--secure-file-priv=NULL",
    "--auto-generate-certs=OFF",
    "--caching-sha2-password-auto-generate-rsa-keys=OFF",
    "--event-scheduler=OFF",
    "--skip-replica-start",
    "--skip-log-bin",
    "--log-replica-updates=OFF",
    "--gtid-mode=ON",
    "--enforce-gtid-consistency=ON",
    // Nothing is sent on from here, so no event can come back: whatever server wrote it, it is applied.
    "--server-id=4294967295",
    "--replicate-same-server-id=ON",
    `--relay-log=${join(workdir, RELAY)}`,
    `--relay-log-index=${relayIndex(workdir)}`,
    "--relay-log-recovery=OFF",
    `--replica-load-tmpdir=${workdir}`,
    `--replica-parallel-workers=${workers}`,
    "--replica-preserve-commit-order=ON",
    // A machine that crashes has restored nothing: the shutdown is what makes it durable.
    "--innodb-flush-log-at-trx-commit=0",
    "--sync-relay-log=0",
  ];
}

/** The list of relay logs, which is ours to write while no channel is configured. */
export function relayIndex(workdir: string): string {
  return join(workdir, `${RELAY}.index`);
}

async function connectWhenUp(
  o: ScratchServer,
  child: Supervised,
  target: { readonly socket: string } & Account,
): Promise<Sql> {
  const until = performance.now() + START_MS;
  for (;;) {
    try {
      return await connect(target, STATEMENT_MS);
    } catch (error) {
      o.signal.throwIfAborted();
      if (!child.facts().running) throw await failure(o, child.facts().lastExit ?? "ended");
      if (performance.now() > until) throw await failure(o, messageOf(error));
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }
}

async function close(o: ScratchServer, child: Supervised, sql: Sql, user: string): Promise<void> {
  await sql.rows(`DROP USER ${quote(user)}@'localhost'`, STATEMENT_MS);
  await sql[Symbol.asyncDispose]();
  const ended = child.exited();
  await child.stop({ termFirst: true, graceMs: STOP_MS });
  o.signal.throwIfAborted();
  const exit = await ended;
  // Killed, it would have to recover at its next start, from a log that was not flushed at each commit.
  if (exit?.code !== 0) throw await failure(o, exit?.says ?? "ended");
}

/** With the first error that it logged. */
export async function failure(o: ScratchServer, why: string): Promise<UnavailableError> {
  const log = await readFile(errorLog(o), "utf8").catch(() => "");
  const said = log
    .split("\n")
    .find((line) => line.includes("[ERROR]"))
    ?.replace(/^.*?\[ERROR\] /, "");
  const message = `mysqld on what is restored: ${why}${said === undefined ? "" : `: ${said}`}`;
  return new UnavailableError("AP_RESTORE_FAILED", message);
}
