// A datadir from the store, for a node that has none: its cluster's newest state, or another cluster's as the beginning of
// a new one. That one gets an identity of its own: what it came from is neither written to nor taken for it.
import { mkdir, rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { makeSupervise, realClock as clock, SILENT, openStore } from "../../../src/index.ts";
import type { Manifest } from "../core/backup/manifest.ts";
import type { Target } from "../core/backup/target.ts";
import { timelineOf } from "../core/backup/segment.ts";
import { formatGtidSet } from "../core/gtid.ts";
import { quote, type Sql } from "../mysqld/connection.ts";
import { readSecrets, type Secrets } from "../mysqld/secrets.ts";
import { readCatalog } from "./catalog.ts";
import { findClusterIn, introduceCluster } from "./cluster-file.ts";
import { openEngine } from "./engines/open.ts";
import { fetchBackup } from "./fetch.ts";
import type { Done, Job, Line, RestoreOrder } from "./job.ts";
import { engineTools, identitiesOf, mysqldTool, zstdCommand, type WorkPlace } from "./place.ts";
import { parseMoment } from "./moment.ts";
import { restore, type RestoreNote } from "./restore.ts";
import { planRestore, requireBackup } from "./restore-plan.ts";
import { startScratch } from "./scratch-server.ts";
import { loadSegments } from "./segment-store.ts";

const STATEMENT_MS = 60_000;

export async function restoreData(
  place: WorkPlace,
  order: RestoreOrder,
  say: (line: Line) => void,
): Promise<Done> {
  const { store, signal } = place;
  const cluster = await findClusterIn(store, order.cluster);
  const { entries } = await readCatalog(store, cluster.id);
  const backups = entries.map(({ manifest }) => manifest);
  const timeline = timelineOf(await loadSegments(store, cluster.id, signal));
  const identities = await identitiesOf(place);
  const backup = order.backup === null ? null : requireBackup(backups, order.backup);
  const plan = await planRestore(
    { store, identities, signal },
    { timeline, backups },
    { target: targetOf(order), backup },
  );
  const tool = await mysqldTool(place);
  const spawn = makeSupervise({ clock, log: SILENT });
  const tell = (says: string, done = 0, of = 0): void =>
    say({
      event: "progress",
      says,
      rawBytes: done,
      storedBytes: 0,
      estimate: of,
      bytesPerSecond: 0,
    });
  const note = await restore(
    {
      store,
      tool,
      spawn,
      signal,
      into: order.into,
      identities,
      fetch: (one, into) => fetchInto(place, { one, into, identities, tell }),
      tell: (at) =>
        at.phase === "replaying" ? tell("replaying binary logs", at.done, at.of) : tell(at.phase),
    },
    plan,
  );
  if (order.found !== null)
    await become(place, { ...order.found, into: order.into, tool, spawn, note });
  const says = `made from backup ${note.backup} of ${note.cluster.name}, up to ${formatGtidSet(plan.state)}`;
  return { says, id: note.backup, ok: true, last: null };
}

function targetOf({ toTime, toGtid, backup }: RestoreOrder): Target | null {
  if (toGtid !== null) return { to: "gtid", gtid: toGtid };
  if (toTime !== null) return { to: "time", at: parseMoment(toTime) };
  return backup === null ? { to: "latest" } : null;
}

async function fetchInto(
  place: WorkPlace,
  {
    one,
    into,
    identities,
    tell,
  }: {
    readonly one: Manifest;
    readonly into: string;
    readonly identities: readonly string[] | null;
    readonly tell: (says: string, done: number, of: number) => void;
  },
): Promise<unknown> {
  const { name } = one.engine;
  const mysqld = await mysqldTool(place);
  const tool = (name === "clone" ? mysqld : (await engineTools(place))[name]) ?? mysqld;
  return fetchBackup(place.store, one, {
    into,
    engine: openEngine({ name, tool, server: null }),
    zstd: await zstdCommand(place),
    clock,
    identities,
    signal: place.signal,
    progress: ({ rawBytes, estimate }) => tell(`fetching ${one.id}`, rawBytes, estimate),
  });
}

type Founding = NonNullable<RestoreOrder["found"]> & {
  readonly into: string;
  readonly tool: Awaited<ReturnType<typeof mysqldTool>>;
  readonly spawn: ReturnType<typeof makeSupervise>;
  readonly note: RestoreNote;
};

/** Another cluster's data become the first ones of this cluster (PROTOCOL §7 Bootstrap). */
async function become(place: WorkPlace, founding: Founding): Promise<void> {
  const { into, tool, spawn, note, clusterId, serverId, backupsTo } = founding;
  const workdir = `${into}-work`;
  await rm(workdir, { recursive: true, force: true });
  await mkdir(workdir, { mode: 0o700 });
  const workers = availableParallelism();
  const { signal } = place;
  await using server = await startScratch({ tool, spawn, signal, datadir: into, workdir, workers });
  const { sql } = server;
  // Epochs begin anew: the old ones' markers are of another uuid (PROTOCOL §1), but their rows would stand in the way.
  for (const table of ["cluster", "epoch", "members"])
    await sql.rows(`DELETE FROM autopilot.${table}`, STATEMENT_MS);
  await sql.rows(
    `INSERT INTO autopilot.cluster VALUES (${quote(clusterId)}, UTC_TIMESTAMP(6))`,
    STATEMENT_MS,
  );
  await giveAccounts(sql, await readSecrets(place.job.secrets), serverId);
  await server.close();
  await rm(workdir, { recursive: true, force: true });
  if (backupsTo !== null) await introduce(place.job, backupsTo, { clusterId, note });
}

/** The passwords are this cluster's from now on; whoever replicated in the old one has no account here. */
async function giveAccounts(sql: Sql, secrets: Secrets, serverId: number): Promise<void> {
  const old = await sql.rows(
    "SELECT user AS name, host FROM mysql.user WHERE user LIKE 'autopilot\\_repl\\_%'",
    STATEMENT_MS,
  );
  for (const { name, host } of old)
    await sql.rows(`DROP USER ${quote(String(name))}@${quote(String(host))}`, STATEMENT_MS);
  const replica = `'autopilot_repl_${serverId}'@'%'`;
  const password = (text: string): string => `IDENTIFIED BY ${quote(text)}`;
  for (const statement of [
    `ALTER USER 'autopilot'@'localhost' ${password(secrets.admin)}`,
    `ALTER USER 'autopilot'@'127.0.0.1' ${password(secrets.admin)}`,
    `ALTER USER 'autopilot_clone'@'%' ${password(secrets.clone)}`,
    `ALTER USER 'autopilot_peer'@'%' ${password(secrets.peer)}`,
    `ALTER USER 'app'@'%' ${password(secrets.app)}`,
    `CREATE USER ${replica} ${password(secrets.replication)} REQUIRE SSL`,
  ])
    await sql.secretly(statement, STATEMENT_MS);
  await sql.rows(`GRANT REPLICATION SLAVE ON *.* TO ${replica}`, STATEMENT_MS);
}

/** Where the new cluster's own backups go it is said where it came from. */
async function introduce(
  { cluster }: Job,
  to: string,
  { clusterId, note }: { readonly clusterId: string; readonly note: RestoreNote },
): Promise<void> {
  await using store = await openStore(to, { env: process.env, clock });
  await introduceCluster(store, {
    id: clusterId,
    name: cluster.name,
    since: new Date(clock.wall()).toISOString(),
    restoredFrom: { cluster: note.cluster.id, backup: note.backup },
  });
}
