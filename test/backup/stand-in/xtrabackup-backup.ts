// xtrabackup --backup --stream=xbstream. The data is what the server clones of itself while nobody commits, so that the
// position that performance_schema.log_status tells is exactly its own.
import {
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { connect, quote, type Sql, type Target } from "../../../recipes/mysql/mysqld/connection.ts";
import { die, fault, ownVersion, say } from "./record.ts";
import { endChunk, payloadChunk } from "./xbstream-format.ts";

const LIMIT_MS = 60_000;
const CHUNK = 1024 * 1024;
const COMPLETED = "completed OK!";

type Options = ReadonlyMap<string, string>;

export async function backUp(options: Options): Promise<void> {
  const wish = fault();
  if (wish === "exit-255") die(255, "unknown option '--lock-ddl'");
  if (options.get("stream") !== "xbstream") die(255, "Unsupported stream format");
  const since = options.get("incremental-lsn") ?? null;
  const sql = await logIn(options);
  await checkServer(sql);
  if (options.has("safe-slave-backup")) await sql.rows("STOP REPLICA SQL_THREAD", LIMIT_MS);
  // Dies while the applier stands, like one that the kernel's OOM killer chose.
  if (wish === "killed-early") process.kill(process.pid, "SIGKILL");
  // As where a statement holds the lock that it wants.
  if (wish === "stuck") await new Promise(() => setInterval(() => undefined, 1_000));
  const copy = join(options.get("target-dir") ?? "", "copy");
  await sql.rows("FLUSH TABLES WITH READ LOCK", LIMIT_MS);
  const position = await positionOf(sql);
  {
    await using second = await logIn(options);
    await second.rows(`CLONE LOCAL DATA DIRECTORY = ${quote(copy)}`, LIMIT_MS);
  }
  await sql.rows("UNLOCK TABLES", LIMIT_MS);
  if (options.has("safe-slave-backup")) await sql.rows("START REPLICA SQL_THREAD", LIMIT_MS);
  sql.destroy();

  say("Note", `>> log scanned up to (${position.lsn})`);
  if (wish === "log-wrapped")
    die(
      1,
      "log block numbers mismatch: expected log block no. 5, but got no. 9. It looks like the log has wrapped",
    );
  streamCopy(copy, since !== null, wish);
  const files = metadata(position, since, wish);
  for (const [name, text] of files) put(name, Buffer.from(text));
  rmSync(copy, { recursive: true });
  const lsn = options.get("extra-lsndir") ?? "";
  mkdirSync(lsn, { recursive: true });
  if (wish !== "no-checkpoints")
    for (const [name, text] of files)
      if (/checkpoints|info$/.test(name) && !name.includes("binlog"))
        writeFileSync(join(lsn, name), text);
  if (wish !== "no-completed") say("Note", COMPLETED);
  if (wish === "more-after-completed")
    say("Warning", "Error while unregistering the redo log consumer");
}

async function logIn(options: Options): Promise<Sql> {
  const text = readFileSync(options.get("defaults-file") ?? "", "utf8");
  const value = (key: string): string =>
    (new RegExp(`^${key}=(.*)$`, "m").exec(text)?.[1] ?? "")
      .replace(/^"(.*)"$/, "$1")
      .replaceAll(/\\(["\\])/g, "$1");
  const login = { user: value("user"), password: value("password") };
  const target: Target =
    value("socket") === ""
      ? { ...login, host: value("host"), port: Number(value("port")) }
      : { ...login, socket: value("socket") };
  return await connect(target, LIMIT_MS).catch((error: unknown) => {
    const cause = error instanceof Error ? error.cause : error;
    const why = cause instanceof Error ? cause.message : String(error);
    return die(1, `Failed to connect to MySQL server as user '${login.user}': ${why}`);
  });
}

async function checkServer(sql: Sql): Promise<void> {
  const [row] = await sql.rows("SELECT @@version AS version", LIMIT_MS);
  const series = /^\d+\.\d+/.exec(ownVersion())?.[0] ?? "";
  if (!String(row?.["version"]).startsWith(`${series}.`))
    die(1, `Unsupported server version: '${String(row?.["version"])}'.`);
  const grants = JSON.stringify(await sql.rows("SHOW GRANTS", LIMIT_MS));
  if (!grants.includes("BACKUP_ADMIN"))
    die(1, "Error: missing required privilege BACKUP_ADMIN on *.*");
}

type Position = {
  readonly file: string;
  readonly position: number;
  readonly gtid: string;
  readonly lsn: string;
};

async function positionOf(sql: Sql): Promise<Position> {
  const [row] = await sql.rows(
    "SELECT local->>'$.gtid_executed' AS gtid, local->>'$.binary_log_file' AS file, " +
      "local->>'$.binary_log_position' AS position, storage_engines->>'$.InnoDB.LSN' AS lsn " +
      "FROM performance_schema.log_status",
    LIMIT_MS,
  );
  // As 8.x does: in one line.
  const gtid = String(row?.["gtid"]).replaceAll("\n", "");
  return {
    gtid,
    file: String(row?.["file"]),
    position: Number(row?.["position"]),
    lsn: String(row?.["lsn"]),
  };
}

function streamCopy(copy: string, incremental: boolean, wish: string): void {
  const all = readdirSync(copy, { recursive: true }) as string[];
  // A clone has no logs of the server's in tables, which a real image has: without them there would be no directory.
  for (const log of ["general_log", "slow_log"]) put(`mysql/${log}.CSV`, Buffer.alloc(0));
  const names = all.filter((name) => statSync(join(copy, name)).isFile());
  for (const [at, name] of names.entries()) {
    if (at === Math.floor(names.length / 2)) {
      if (wish === "exit-1") die(1, "xtrabackup_copy_datafile() failed: Cannot read ./app/t.ibd");
      if (wish === "killed") process.kill(process.pid, "SIGKILL");
      // Between two chunks: nothing in the stream tells.
      if (wish === "short-stream") return;
    }
    say("Note", `Streaming ./${name}`);
    if (incremental)
      put(`${name}.meta`, Buffer.from("page_size = 16384\nzip_size = 0\nspace_id = 1\n"));
    put(incremental ? `${name}.delta` : name, readFileSync(join(copy, name)));
    say("Note", `Done: Streaming ./${name}`);
  }
}

function metadata(
  p: Position,
  since: string | null,
  wish: string,
): readonly (readonly [string, string])[] {
  if (wish === "short-stream") return [];
  const from = wish === "other-lsn" ? "7" : (since ?? "0");
  const type = since === null ? "full-backuped" : "incremental";
  const binlog = `filename '${p.file}', position '${p.position}', GTID of the last change '${p.gtid}'`;
  return [
    ["xtrabackup_binlog_info", `${p.file}\t${p.position}\t${p.gtid}\n`],
    ["xtrabackup_logfile", "redo"],
    [
      "xtrabackup_checkpoints",
      `backup_type = ${type}\nfrom_lsn = ${from}\nto_lsn = ${p.lsn}\nlast_lsn = ${p.lsn}\nflushed_lsn = ${p.lsn}\nredo_memory = 0\nredo_frames = 0\n`,
    ],
    ["backup-my.cnf", "[mysqld]\ninnodb_page_size=16384\n"],
    [
      "xtrabackup_info",
      `uuid = 0f5c8d1e\nname = \ntool_name = xtrabackup\ntool_version = ${ownVersion()}\nbinlog_pos = ${binlog}\ninnodb_from_lsn = ${from}\ninnodb_to_lsn = ${p.lsn}\npartial = N\nincremental = ${since === null ? "N" : "Y"}\nformat = xbstream\n`,
    ],
    ["xtrabackup_tablespaces", "{}"],
  ];
}

function put(name: string, bytes: Buffer): void {
  for (let at = 0; at < bytes.length || at === 0; at += CHUNK) {
    write(payloadChunk(name, at, bytes.subarray(at, at + CHUNK)));
  }
  write(endChunk(name));
}

/** Blocks like the real one where the reader is slow; ends by EPIPE where it is gone. */
function write(chunk: Buffer): void {
  for (let at = 0; at < chunk.length;) {
    try {
      at += writeSync(1, chunk, at);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "EAGAIN") die(1, `xb_stream_write_data() failed: ${code}`);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}
