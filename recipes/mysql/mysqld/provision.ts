// Makes this node's datadir from a donor's, by MySQL's CLONE plugin. A scratch mysqld on a throw-away datadir, reachable
// by its socket alone, receives the donor's files into data.half; it is never used for anything else, so no clone ever
// keeps the uuid of a running server (PROTOCOL §7 "Rebuild"). data.half gets its name when it is complete.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UnavailableError, messageOf } from "../../../src/index.ts";
import { connect, quote, sqlErrno, type Sql } from "./connection.ts";
import { complete, initializeInto, requireEmpty, type NewDatadir } from "./initialize.ts";
import { adminSql } from "./initial-sql.ts";
import { layout } from "./layout.ts";
import { logSize, provisionError, startMysqld, type RunningJob } from "./run-mysqld.ts";
import { withoutSecrets } from "./secrets.ts";

export type CloneJob = NewDatadir & {
  readonly donor: { readonly host: string; readonly port: number };
  /** Bytes received and the donor's estimate of all bytes; called a few times a second. */
  readonly progress: (bytes: { readonly done: number; readonly estimate: number }) => void;
};

// A scratch server starts in 0.5 s; on a machine that starts a dozen at once it takes longer.
const START_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 200;
const STATEMENT_MS = 10_000;
// A clone ends when it ends (or by the signal): a week is what setTimeout can hold at most, nearly.
const CLONE_MS = 7 * 24 * 3_600_000;

// Nobody logs in to a scratch server but us, through its socket: making its RSA keys would take up to half a second.
const NO_KEYS = ["--auto-generate-certs=OFF", "--caching-sha2-password-auto-generate-rsa-keys=OFF"];

/**
 * Makes data/ and node.json. The caller keeps at most one of these per directory. Aborting ends the scratch server at once.
 * Errors: UnavailableError AP_PROVISION_FAILED with MySQL's message (donor gone, disk full, other version).
 */
export async function provisionByClone(o: CloneJob): Promise<void> {
  await requireEmpty(o.dir);
  const scratch = `${layout(o.dir).data}.half-scratch`;
  const half = `${layout(o.dir).data}.half`;
  // In a directory of its own: a socket's path has a limit that the node's directory may exceed, and its mode is 0700.
  const run = await mkdtemp(join(tmpdir(), "autopilot-"));
  try {
    await initializeInto(o, scratch, adminSql(o.secrets.admin), NO_KEYS);
    await receive(o, { scratch, half, socket: join(run, "s") });
    await rm(scratch, { recursive: true, force: true });
    await complete(o, half);
  } catch (error) {
    o.signal.throwIfAborted();
    throw failed(o, error);
  } finally {
    await rm(run, { recursive: true, force: true });
  }
}

type Places = { readonly scratch: string; readonly half: string; readonly socket: string };

async function receive(o: CloneJob, places: Places): Promise<void> {
  const logged = await logSize(o.dir);
  const running = await startMysqld(o, [
    `--datadir=${places.scratch}`,
    `--socket=${places.socket}`,
    `--pid-file=${join(places.scratch, "pid")}`,
    "--skip-networking",
    "--admin-address=",
    "--super-read-only=OFF",
    "--read-only=OFF",
    "--skip-log-bin",
    ...NO_KEYS,
    // Clone needs few pages; the donor's files are not cached here.
    "--innodb-buffer-pool-size=33554432",
  ]);
  await using _ = running.mysqld;
  const exited = running.ended.then(async (end) => {
    o.signal.throwIfAborted();
    throw await provisionError(o, `scratch mysqld: ${end?.says ?? "ended"}`, logged);
  });
  // Its rejection is raised by the race, or is of a server that we ended ourselves.
  exited.catch(() => undefined);
  await Promise.race([clone(o, places, running), exited]);
}

async function clone(o: CloneJob, places: Places, running: RunningJob): Promise<void> {
  await using sql = await connectWhenUp(o, places.socket, running);
  await using watcher = await connectOnce(o, places.socket);
  const { host, port } = o.donor;
  await sql.rows(`SET GLOBAL clone_valid_donor_list = ${quote(`${host}:${port}`)}`, STATEMENT_MS);
  let over = false;
  const copied = sql.rows(
    `CLONE INSTANCE FROM 'autopilot_clone'@${quote(host)}:${port} IDENTIFIED BY ${quote(o.secrets.clone)} ` +
      `DATA DIRECTORY = ${quote(places.half)} REQUIRE SSL`,
    CLONE_MS,
  );
  const watched = (async () => {
    while (!over) {
      await reportProgress(o, watcher);
      await pause(LOOK_EVERY_MS);
    }
  })().catch(() => undefined); // progress is for people: the clone's own outcome is what counts
  try {
    await copied;
    await reportProgress(o, watcher);
  } finally {
    over = true;
    await watched;
  }
}

async function reportProgress(o: CloneJob, sql: Sql): Promise<void> {
  const [row] = await sql.rows(
    "SELECT CAST(SUM(data) AS DOUBLE) AS done, CAST(SUM(estimate) AS DOUBLE) AS estimate FROM performance_schema.clone_progress",
    STATEMENT_MS,
  );
  o.progress({ done: Number(row?.["done"] ?? 0), estimate: Number(row?.["estimate"] ?? 0) });
}

/** Tries until it answers, its process ends, or the limit is over. */
async function connectWhenUp(o: CloneJob, socket: string, running: RunningJob): Promise<Sql> {
  const until = Date.now() + START_WITHIN_MS;
  for (;;) {
    try {
      return await connectOnce(o, socket);
    } catch (error) {
      o.signal.throwIfAborted();
      if (Date.now() > until || !running.mysqld.facts().running) throw error;
      await pause(50);
    }
  }
}

function connectOnce(o: CloneJob, socket: string): Promise<Sql> {
  return connect({ socket, user: "autopilot", password: o.secrets.admin }, STATEMENT_MS);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** ConfigErrors (unwritable directory) stay what they are; everything else is one failed attempt. */
function failed(o: CloneJob, error: unknown): unknown {
  if (!(error instanceof UnavailableError) || error.code === "AP_PROVISION_FAILED") return error;
  const { host, port } = o.donor;
  const what = sqlErrno(error) === 0 ? "" : ` (${sqlErrno(error)})`;
  const says = withoutSecrets(messageOf(error.cause ?? error), o.secrets);
  // Without a cause: MySQL quotes the statement in some of its messages, and this one held a password.
  return new UnavailableError("AP_PROVISION_FAILED", `clone from ${host}:${port}${what}: ${says}`);
}
