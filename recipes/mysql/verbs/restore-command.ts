// What `autopilot restore` does: the plan is told before anything is written, with the last transaction that will be there
// and the first that will not.
import { resolve } from "node:path";
import {
  SILENT,
  UsageError,
  findTool,
  makeSupervise,
  realClock,
  type ObjectStore,
  type StoreCall,
  type Tool,
} from "../../../src/index.ts";
import { readIdentities } from "../backup/age-files.ts";
import { readCatalog } from "../backup/catalog.ts";
import { openEngine } from "../backup/engines/open.ts";
import { mariadbBackupSpec, xtrabackupSpec } from "../backup/engines/tools.ts";
import { fetchBackup } from "../backup/fetch.ts";
import { parseMoment } from "../backup/moment.ts";
import { requireEmptyDir } from "../backup/restore-dir.ts";
import { planRestore, requireBackup, timeText } from "../backup/restore-plan.ts";
import { requireSeries, restore, type RestoreProgress } from "../backup/restore.ts";
import { readArchive } from "../backup/segment-store.ts";
import { zstdSpec } from "../backup/zstd.ts";
import type { Manifest } from "../core/backup/manifest.ts";
import { timelineOf, type Stamp } from "../core/backup/segment.ts";
import type { RestorePlan, Target } from "../core/backup/target.ts";
import { formatGtidSet, parseGtidSet, size } from "../core/gtid.ts";
import { formatSize } from "../core/size.ts";
import { mysqlSpec } from "../mysqld/tool.ts";
import { withStore } from "./backup-store.ts";

/** Errors: UsageError; RefusedError AP_RESTORE_*, AP_BACKUP_*; UnavailableError AP_RESTORE_FAILED; those of the store. */
export async function restoreCommand(call: StoreCall): Promise<number> {
  const { options, signal } = call;
  const asked = askedOf(call);
  const identity = options["identity"];
  const identities = typeof identity === "string" ? await readIdentities(identity) : null;
  const from = { ...call, options: { ...options, store: options["from"] } };
  return withStore(from, async (store, cluster) => {
    const known = await knownOf(store, cluster.id, call);
    const backup = asked.backup === null ? null : requireBackup(known.backups, asked.backup);
    const reading = { store, identities, signal };
    const plan = await planRestore(reading, known, { target: asked.target, backup });
    const tool = await findTool(mysqlSpec, { progress: call.progress, signal });
    requireSeries(plan.backup, tool);
    await requireEmptyDir(asked.into);
    tell(call, plan, store.name);
    if (options["dryRun"] === true) return 0;
    const spawn = makeSupervise({ clock: realClock, log: SILENT });
    const fetch = (one: Manifest, into: string): Promise<unknown> =>
      fetchInto(call, { store, identities, tool, one, into });
    const progress = shower(call);
    const { into } = asked;
    const note = await restore(
      { store, tool, spawn, signal, into, identities, fetch, tell: progress },
      plan,
    );
    if (call.json) call.print(JSON.stringify({ type: "restored", into, ...note }));
    else {
      call.print(`${into} is a datadir of MySQL ${note.server}, and says of itself what it is`);
      if (note.preparedXa > 0)
        call.print(`${note.preparedXa} XA transactions were prepared and not ended: XA RECOVER`);
    }
    return 0;
  });
}

type Asked = {
  readonly into: string;
  readonly backup: string | null;
  /** Null: the backup as it is. */
  readonly target: Target | null;
};

function askedOf({ options }: StoreCall): Asked {
  const text = (name: string): string | null => {
    const value = options[name];
    return typeof value === "string" ? value : null;
  };
  const [into, backup] = [text("into"), text("backup")];
  if (into === null) throw new UsageError("AP_USAGE", "restore: --into which directory?");
  const [time, gtid] = [text("toTime"), text("toGtid")];
  const given = [time !== null, gtid !== null, options["latest"] === true];
  if (given.filter(Boolean).length > 1)
    throw new UsageError("AP_USAGE", "restore: one of --to-time, --to-gtid and --latest");
  const target: Target | null =
    time !== null
      ? { to: "time", at: parseMoment(time) }
      : gtid !== null
        ? { to: "gtid", gtid: oneGtid(gtid) }
        : backup === null || options["latest"] === true
          ? { to: "latest" }
          : null;
  return { into: resolve(into), backup, target };
}

function oneGtid(text: string): string {
  const set = parseGtidSet(text);
  if (set !== null && size(set) === 1) return formatGtidSet(set);
  const hint = "the state at a transaction is meant, not a set: UUID:N or UUID:TAG:N";
  throw new UsageError("AP_USAGE", `${JSON.stringify(text)} is not one GTID`, { hint });
}

/** Damaged ones are said, and passed over. */
async function knownOf(store: ObjectStore, clusterId: string, { progress, signal }: StoreCall) {
  const { entries, damaged } = await readCatalog(store, clusterId);
  const archive = await readArchive(store, clusterId, signal);
  for (const { id, why } of damaged) progress(`backup ${id} is damaged: ${why}`);
  for (const why of archive.damaged) progress(`a segment of the archive is damaged: ${why}`);
  const backups = entries.map(({ manifest }) => manifest);
  return { timeline: timelineOf(archive.segments), backups };
}

type Fetching = {
  readonly store: ObjectStore;
  readonly identities: readonly string[] | null;
  readonly tool: Tool;
  readonly one: Manifest;
  readonly into: string;
};

async function fetchInto(
  { progress, signal }: StoreCall,
  { store, identities, tool, one, into }: Fetching,
): Promise<unknown> {
  const { name } = one.engine;
  const look = { progress, signal };
  const engineTool =
    name === "clone"
      ? tool
      : await findTool(name === "xtrabackup" ? xtrabackupSpec : mariadbBackupSpec, look);
  const said = paced(progress);
  return fetchBackup(store, one, {
    into,
    engine: openEngine({ name, tool: engineTool, server: null }),
    zstd: (await findTool(zstdSpec, look)).command("zstd"),
    clock: realClock,
    identities,
    signal,
    progress: ({ rawBytes, estimate }) => said(`fetching ${one.id}`, rawBytes, estimate),
  });
}

function shower({ progress }: StoreCall): (at: RestoreProgress) => void {
  const said = paced(progress);
  return (at) => {
    if (at.phase === "replaying") said("applying binary logs", at.done, at.of);
    else if (at.phase !== "fetching") progress(`${at.phase} a server on it`);
  };
}

const STEPS = 10;

/** A line for each tenth. */
function paced(progress: (text: string) => void): (what: string, done: number, of: number) => void {
  let before = -1;
  return (what, done, of) => {
    const step = of === 0 ? 0 : Math.floor((done * STEPS) / of);
    if (step === before) return;
    before = step;
    progress(`${what}: ${formatSize(done)} of ${of === 0 ? "?" : formatSize(of)}`);
  };
}

function tell(call: StoreCall, plan: RestorePlan, from: string): void {
  const { backup, segments, lastIncluded, firstExcluded, state } = plan;
  const bytes = segments.reduce((sum, { rawBytes }) => sum + rawBytes, 0);
  if (call.json) {
    const gtid = formatGtidSet(state);
    const said = {
      backup: backup.id,
      segments: segments.length,
      bytes,
      lastIncluded,
      firstExcluded,
    };
    return call.print(JSON.stringify({ type: "plan", from, ...said, gtid }));
  }
  call.print(`backup ${backup.id} of ${backup.cluster.name}, finished ${backup.finishedAt}`);
  call.print(`then ${segments.length} segments of binary logs, ${formatSize(bytes)}`);
  if (lastIncluded !== null) call.print(`last included:  ${stampText(lastIncluded)}`);
  call.print(`first excluded: ${firstExcluded === null ? "none" : stampText(firstExcluded)}`);
}

function stampText({ gtid, at }: Stamp): string {
  return `${gtid}, committed ${timeText(at)}`;
}
