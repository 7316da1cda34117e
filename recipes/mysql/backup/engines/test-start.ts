// A server is started once on the copy, unreachable for everybody else: it recovers the copy, which is the first proof that
// it is whole; it tells the GTID set and the binlog position, which stand nowhere before; and it is stopped cleanly, so that
// the image needs no recovery. What that changes: recovery and the shutdown write what any restart writes. A source that the
// donor followed is forgotten, because a restored server must not come up as some old cluster's replica. Files that belong
// to the server that ran, and not to its data, are no part of the image (notOfTheImage).
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Tool } from "../../../../src/index.ts";
import { equal, formatGtidSet, gtidSet } from "../../core/gtid.ts";
import { connect, type Sql, type Target } from "../../mysqld/connection.ts";
import type { ImageFacts } from "../engine.ts";
import { startChild, type EngineChild } from "./child.ts";

export type StartOrder = {
  readonly tool: Tool;
  /** The node's own: page size, data files and plugins must be those of the copy. */
  readonly myCnf: string;
  readonly copy: string;
  /** A private directory beside the copy. */
  readonly run: string;
  readonly login: Pick<Target, "user" | "password">;
  readonly signal: AbortSignal;
};

// It applies the redo log of the time that the copy took: with a log of many gigabytes that is minutes.
const UP_WITHIN_MS = 30 * 60_000;
const DOWN_WITHIN_MS = 30 * 60_000;
const LOOK_EVERY_MS = 50;
const CONNECT_MS = 10_000;
const STATEMENT_MS = 60_000;
const KEPT_LOG_BYTES = 16_384;

const PLACES = [
  "innodb-data-home-dir",
  "innodb-log-group-home-dir",
  "innodb-undo-directory",
  "innodb-doublewrite-dir",
  "innodb-temp-tablespaces-dir",
];

/** A fresh identity, keys that it made for itself, temporary tables, clone's own notes, redo files in reserve. */
const NOT_OF_THE_IMAGE =
  /^(?:auto\.cnf|[^/]+\.pem|ibtmp\d+|#innodb_temp(?:\/.*)?|#clone(?:\/.*)?|#innodb_redo\/#ib_redo\d+_tmp)$/;

export function notOfTheImage(path: string): boolean {
  return NOT_OF_THE_IMAGE.test(path);
}

/** Errors: Error with what mysqld logged first as an error; the signal's reason. */
export async function startOnce(o: StartOrder): Promise<ImageFacts> {
  // A socket's path has a limit that a directory of the node may exceed.
  const place = await mkdtemp(join(tmpdir(), "autopilot-"));
  const log = join(o.run, "mysqld.log");
  try {
    const socket = join(place, "s");
    const argv = [...o.tool.command("mysqld"), ...options(o, { socket, log })];
    await using child = await startChild({ name: "mysqld", argv, run: o.run, signal: o.signal });
    child.stdout.resume();
    const facts = await askAndStop(o, child, socket);
    return facts;
  } catch (error) {
    o.signal.throwIfAborted();
    throw await withLog(error, log);
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

function options(o: StartOrder, at: { readonly socket: string; readonly log: string }): string[] {
  return [
    `--defaults-file=${o.myCnf}`,
    `--datadir=${o.copy}`,
    `--socket=${at.socket}`,
    `--pid-file=${join(o.run, "pid")}`,
    `--log-error=${at.log}`,
    // Wherever the node's configuration has them: there they are the running server's.
    ...PLACES.map((place) => `--${place}=${o.copy}`),
    "--innodb-directories=",
    "--general-log=OFF",
    "--slow-query-log=OFF",
    "--skip-networking",
    "--admin-address=",
    // Nothing runs in it, nothing is written but by recovery, and no binlog is begun.
    "--super-read-only=ON",
    "--read-only=ON",
    "--skip-log-bin",
    "--skip-replica-start",
    "--event-scheduler=DISABLED",
    `--relay-log=${join(o.run, "relaylog")}`,
    `--relay-log-index=${join(o.run, "relaylog.index")}`,
    "--auto-generate-certs=OFF",
    "--caching-sha2-password-auto-generate-rsa-keys=OFF",
    // The donor's list of hot pages came along and is worth more than ours.
    "--innodb-buffer-pool-dump-at-shutdown=OFF",
    "--innodb-buffer-pool-load-at-startup=OFF",
    // Beside the node's own server.
    "--innodb-buffer-pool-size=134217728",
    "--innodb-fast-shutdown=1",
  ];
}

async function askAndStop(o: StartOrder, child: EngineChild, socket: string): Promise<ImageFacts> {
  const facts = await (async () => {
    await using sql = await connectWhenUp(o, child, socket);
    const [source] = await sql.rows("SHOW REPLICA STATUS", STATEMENT_MS);
    if (source !== undefined) await sql.rows("RESET REPLICA ALL", STATEMENT_MS);
    const read = await readFacts(sql);
    await sql.rows("SHUTDOWN", STATEMENT_MS);
    return read;
  })();
  const { code, says } = await inTime(child.ended, DOWN_WITHIN_MS, "it did not stop");
  o.signal.throwIfAborted();
  if (code !== 0) throw new Error(`the server on the copy did not stop cleanly: ${says}`);
  return facts;
}

async function connectWhenUp(o: StartOrder, child: EngineChild, socket: string): Promise<Sql> {
  const until = performance.now() + UP_WITHIN_MS;
  const gone = child.ended.then(({ says }) => {
    throw new Error(`the server on the copy: ${says}`);
  });
  gone.catch(() => undefined);
  for (;;) {
    o.signal.throwIfAborted();
    try {
      return await Promise.race([connect({ ...o.login, socket }, CONNECT_MS), gone]);
    } catch (error) {
      await Promise.race([gone, pause()]);
      if (performance.now() > until) throw error;
    }
  }
}

async function readFacts(sql: Sql): Promise<ImageFacts> {
  const [row] = await sql.rows(
    "SELECT @@GLOBAL.gtid_executed AS gtid, COALESCE(gtid_executed, '') AS cloned, COALESCE(binlog_file, '') AS file, " +
      "binlog_position AS position FROM performance_schema.clone_status WHERE state = 'Completed'",
    STATEMENT_MS,
  );
  if (row === undefined)
    throw new Error("the server on the copy does not know it as a whole clone");
  const [gtid, cloned] = [gtidSet(String(row["gtid"])), gtidSet(String(row["cloned"]))];
  if (!equal(gtid, cloned))
    throw new Error(
      `the copy holds ${formatGtidSet(gtid)}, and was made at ${formatGtidSet(cloned)}`,
    );
  const file = String(row["file"]);
  const binlog = file === "" ? null : { file, position: Number(row["position"]) };
  return { gtid: formatGtidSet(gtid), binlog, lsn: null };
}

async function inTime<T>(work: Promise<T>, ms: number, why: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${why} within ${ms / 60_000} minutes`)), ms);
  });
  return await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
}

/** What it logged first as an error is the reason, the others follow from it. */
async function withLog(error: unknown, log: string): Promise<Error> {
  const text = (await readFile(log, "utf8").catch(() => "")).slice(-KEPT_LOG_BYTES);
  const first = text.split("\n").find((line) => line.includes("[ERROR]"));
  const why = error instanceof Error ? error.message : String(error);
  if (first === undefined) return new Error(why, { cause: error });
  return new Error(`${why}: ${first.replace(/^.*?\[ERROR\] /, "")}`, { cause: error });
}
