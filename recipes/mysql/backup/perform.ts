// The tasks of a worker.
import { rm } from "node:fs/promises";
import { messageOf, realClock as clock, RefusedError } from "../../../src/index.ts";
import { parentAmong } from "../core/backup/chain.ts";
import { chooseEngine } from "../core/backup/choose-engine.ts";
import type { LastBackup, VerifiedBackup } from "../core/backup/due.ts";
import type { CatalogEntry, Manifest, ServerVersion } from "../core/backup/manifest.ts";
import { layout } from "../mysqld/layout.ts";
import { keepArchive } from "./archive-task.ts";
import { readCatalog } from "./catalog.ts";
import { confirmBy } from "./confirm.ts";
import type { Engine } from "./engine.ts";
import { openEngine, readEngineFacts, requireEngine } from "./engines/open.ts";
import type { Done, Job, Line } from "./job.ts";
import {
  configOf,
  engineTools,
  mysqldTool,
  openPlace,
  ownLogin,
  recipientsOf,
  zstdCommand,
  type WorkPlace,
} from "./place.ts";
import type { Progress } from "./progress.ts";
import { planBinlogs, pruneBinlogs } from "./prune-binlogs.ts";
import { planPrune, prune } from "./prune.ts";
import { restoreData } from "./restore-task.ts";
import { takeSnapshot } from "./snapshot.ts";
import { sweepGarbage } from "./sweep.ts";
import { verify } from "./verify.ts";

type Says = (line: Line) => void;

export async function perform(
  job: Job,
  {
    file,
    signal,
    say,
  }: { readonly file: string; readonly signal: AbortSignal; readonly say: Says },
): Promise<Done> {
  await using place = await openPlace(job, signal);
  const { task } = job;
  if (task.do === "archive") return keepArchive(place, say);
  // What a worker before has left; nothing else works in there.
  await rm(place.scratch, { recursive: true, force: true });
  switch (task.do) {
    case "survey": {
      const last = await newest(place);
      const says = last.id === null ? "the store has no backup yet" : `the newest is ${last.id}`;
      return { says, id: last.id, ok: true, last };
    }
    case "backup":
      return backUp(place, { incremental: task.incremental, file, say });
    case "restore":
      return restoreData(place, task.order, say);
    case "verify":
      return check(place, task.backup, say);
  }
}

type How = { readonly incremental: boolean; readonly file: string; readonly say: Says };

async function backUp(place: WorkPlace, { incremental, file, say }: How): Promise<Done> {
  const { job, store, signal, scratch } = place;
  const { node, cluster } = job;
  const backup = configOf(place);
  const login = await ownLogin(place);
  const tools = await engineTools(place);
  const versions = {
    xtrabackup: tools.xtrabackup?.version ?? null,
    "mariadb-backup": tools["mariadb-backup"]?.version ?? null,
  };
  const facts = await readEngineFacts(login, versions, backup.engine);
  const { engine: name } = requireEngine(chooseEngine(facts));
  const tool = (name === "clone" ? null : tools[name]) ?? (await mysqldTool(place));
  const { myCnf } = layout(node.dir);
  let step = "";
  const engine = openEngine({ name, tool, server: { login, myCnf }, progress: (s) => (step = s) });
  const parent = incremental ? await parentFor(place, engine, facts.server) : null;
  const { uuid, role, epoch } = node;
  const manifest = await takeSnapshot(
    { store, clock, engine, zstd: await zstdCommand(place) },
    {
      cluster: { ...cluster, restoredFrom: null },
      node: { name: node.name, uuid, role },
      epoch,
      server: facts.server,
      parent,
      scratch,
      level: backup.compression.level,
      recipients: await recipientsOf(place),
      rate: backup.rate ?? null,
      signal,
      progress: (at) => say({ event: "progress", ...told(at, `${name}: ${step}`) }),
      confirm: ({ gtid }) => confirmBy({ file, gtid, say, signal }),
    },
  );
  const tidied = await tidy(place);
  const says = `backup ${manifest.id} (${manifest.kind}, ${name})${tidied}`;
  return { says, id: manifest.id, ok: true, last: await newest(place) };
}

async function parentFor(
  { store, job }: WorkPlace,
  engine: Engine,
  server: ServerVersion,
): Promise<Manifest> {
  const { cluster, node } = job;
  if (!engine.incremental)
    throw new RefusedError("AP_BACKUP_NO_ENGINE", `${engine.name} makes no incremental backups`);
  const { entries } = await readCatalog(store, cluster.id);
  const maker = { clusterId: cluster.id, uuid: node.uuid, engine, server };
  const parent = parentAmong(entries, maker);
  if (parent !== null) return parent;
  const why = `${node.name} has no good backup that an incremental one could rest on`;
  throw new RefusedError("AP_BACKUP_CHAIN", why);
}

async function check(place: WorkPlace, wanted: string | null, say: Says): Promise<Done> {
  const id = wanted ?? (await newest(place)).id;
  if (id === null) throw new RefusedError("AP_BACKUP_UNKNOWN", "there is no backup to verify");
  const verdict = await verify(place, id, (at) => say({ event: "progress", ...told(at, "") }));
  const { ok, problems, restoreMs } = verdict;
  const took = restoreMs === null ? "" : `, a restore takes ${(restoreMs / 1_000).toFixed(1)} s`;
  const says = ok ? `backup ${id} is good${took}` : `backup ${id} is bad: ${problems.join("; ")}`;
  return { says, id, ok, last: await newest(place) };
}

/** What the store says now. */
async function newest({ store, job }: WorkPlace): Promise<LastBackup> {
  const { entries } = await readCatalog(store, job.cluster.id);
  const [first] = entries;
  if (first === undefined)
    return {
      id: null,
      gtid: "",
      binlog: null,
      node: "",
      startedAt: "",
      finishedAt: "",
      rawBytes: 0,
      storedBytes: 0,
      verified: null,
    };
  const { id, gtid, binlog, node, startedAt, finishedAt, rawBytes, data } = first.manifest;
  const verified = lastVerdict(entries);
  const sizes = { rawBytes, storedBytes: data.bytes };
  return { id, gtid, binlog, node: node.name, startedAt, finishedAt, ...sizes, verified };
}

function lastVerdict(entries: readonly CatalogEntry[]): VerifiedBackup | null {
  const all = entries.flatMap(({ manifest, verdicts }) =>
    verdicts.map(({ at, ok, restoreMs }) => ({
      id: manifest.id,
      at,
      ok,
      restoreMs,
      rawBytes: manifest.rawBytes,
    })),
  );
  return all.toSorted((a, b) => (a.at < b.at ? 1 : -1))[0] ?? null;
}

/** Retention and garbage. What fails here takes no backup back: it is said, and done with the next one. */
async function tidy(place: WorkPlace): Promise<string> {
  const { store, job } = place;
  const { retention, deadline } = configOf(place);
  try {
    const now = clock.wall();
    const catalog = await readCatalog(store, job.cluster.id);
    const plan = planPrune(catalog, retention, now);
    // Before anything goes: an archive that cannot be understood stops it.
    const binlogs = await planBinlogs(store, catalog, { plan, now });
    const { removed } = await prune(store, catalog, plan);
    await pruneBinlogs(store, job.cluster.id, { plan: binlogs, now });
    await sweepGarbage(store, job.cluster.id, {
      now,
      olderThanMs: Math.max(24 * 3_600_000, 2 * deadline),
    });
    return removed.length === 0 ? "" : `; retention removed ${removed.join(", ")}`;
  } catch (error) {
    return `; retention failed: ${messageOf(error)}`;
  }
}

const PHASES = {
  imaging: "copying",
  proving: "proving that all is there",
  storing: "storing",
  fetching: "fetching",
} as const;

function told(at: Progress, step: string) {
  const { phase, rawBytes, storedBytes, estimate, rawPerSecond } = at;
  const says = step === "" || phase !== "imaging" ? PHASES[phase] : step;
  return { says, rawBytes, storedBytes, estimate, bytesPerSecond: rawPerSecond };
}
