// `backup prune`, `hold` and `release`: what goes and what stays, and why.
import { hostname, userInfo } from "node:os";
import { UsageError, parseDuration, type StoreCall } from "../../../src/index.ts";
import { readCatalog } from "../backup/catalog.ts";
import { planBinlogs, pruneBinlogs, type BinlogPlan } from "../backup/prune-binlogs.ts";
import { hold, planPrune, prune, release } from "../backup/prune.ts";
import { sweepGarbage } from "../backup/sweep.ts";
import { DEFAULT_RETENTION, type Retention, type RetentionPlan } from "../core/backup/retention.ts";
import { formatSize } from "../core/size.ts";
import { idOf, withStore } from "./backup-store.ts";
import { table } from "./table.ts";

export async function pruneBackups(call: StoreCall): Promise<number> {
  const retention = retentionOf(call);
  const dryRun = call.options["dryRun"] === true;
  return withStore(call, async (store, cluster) => {
    const now = call.clock.wall();
    const catalog = await readCatalog(store, cluster.id);
    const plan = planPrune(catalog, retention, now);
    const binlogs = await planBinlogs(store, catalog, { plan, now });
    const done = dryRun ? null : await prune(store, catalog, plan);
    if (!dryRun) await pruneBinlogs(store, cluster.id, { plan: binlogs, now });
    const swept = dryRun ? null : await sweepGarbage(store, cluster.id, { now });
    if (call.json) {
      const said = {
        dryRun,
        retention,
        ...plan,
        binlogs: { segments: binlogs.remove.length, bytes: binlogs.bytes },
        removed: done?.removed,
        spared: done?.spared,
        swept,
      };
      call.print(JSON.stringify(said, null, 2));
      return 0;
    }
    call.print(planTable(plan, dryRun));
    if (binlogs.remove.length > 0) call.print(binlogsLine(binlogs, dryRun));
    for (const { id, why } of done?.spared ?? []) call.print(`spared ${id}: ${why}`);
    if (swept !== null && swept.uploads + swept.prefixes.length > 0)
      call.print(`swept ${swept.uploads} uploads and ${swept.prefixes.length} left-overs`);
    return 0;
  });
}

function planTable({ keep, remove }: RetentionPlan, dryRun: boolean): string {
  const rows = [
    ...keep.map(({ id, reasons }) => ["keep", id, reasons.join(", ")]),
    ...remove.map((id) => [dryRun ? "would delete" : "delete", id, ""]),
  ];
  return rows.length === 0 ? "no backups" : table(["", "BACKUP", "WHY"], rows);
}

function binlogsLine({ remove, bytes }: BinlogPlan, dryRun: boolean): string {
  const until = new Date((remove.at(-1)?.last.at ?? 0) / 1_000).toISOString();
  const what = `${remove.length} segments of binary log, ${formatSize(bytes)}, the last of ${until}`;
  return `${dryRun ? "would delete" : "deleted"} ${what}: no backup that is kept needs them`;
}

/** The numbers that are given; with none of them the usual ones. */
function retentionOf({ options }: StoreCall): Retention {
  const given = (["last", "daily", "weekly", "monthly"] as const).map((name) => {
    const text = options[name];
    if (text === undefined) return [name, null] as const;
    if (typeof text === "string" && /^\d{1,5}$/.test(text)) return [name, Number(text)] as const;
    throw new UsageError("AP_USAGE", `backup prune: --${name} is no whole number`);
  });
  const window = windowOf(options["window"]);
  const named = given.filter(([, count]) => count !== null);
  if (named.length === 0) return { ...DEFAULT_RETENTION, window };
  const none = { last: 0, daily: 0, weekly: 0, monthly: 0, window };
  return { ...none, ...Object.fromEntries(named) };
}

function windowOf(text: string | boolean | undefined): number {
  if (text === undefined) return DEFAULT_RETENTION.window;
  const ms = typeof text === "string" ? parseDuration(text) : null;
  if (ms !== null) return Math.round(ms);
  throw new UsageError("AP_USAGE", 'backup prune: --window is no duration like "7d"');
}

export async function holdBackup(call: StoreCall): Promise<number> {
  const id = idOf(call);
  const text = call.options["why"];
  const why = typeof text === "string" ? text : "held by hand";
  return withStore(call, async (store, { id: clusterId }) => {
    const by = `${userInfo().username}@${hostname()}`;
    await hold(store, { clusterId, id, why, by, now: call.clock.wall() });
    call.print(call.json ? JSON.stringify({ held: id, why, by }) : `${id} is held: ${why}`);
    return 0;
  });
}

export async function releaseBackup(call: StoreCall): Promise<number> {
  const id = idOf(call);
  return withStore(call, async (store, { id: clusterId }) => {
    const was = await release(store, clusterId, id);
    const says = was ? `${id} is released` : `${id} was not held`;
    call.print(call.json ? JSON.stringify({ released: id, was }) : says);
    return 0;
  });
}
