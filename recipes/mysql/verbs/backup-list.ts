// `backup list` and `backup show ID`: the catalogue for people, and whole for programs.
import type { StoreCall } from "../../../src/index.ts";
import { readCatalog, readEntry } from "../backup/catalog.ts";
import type { CatalogEntry, Verdict } from "../core/backup/manifest.ts";
import { formatSize } from "../core/size.ts";
import { idOf, withStore } from "./backup-store.ts";
import { paint, table } from "./table.ts";

export async function list(call: StoreCall): Promise<number> {
  return withStore(call, async (store, cluster) => {
    const { entries, damaged, unlisted } = await readCatalog(store, cluster.id);
    if (call.json) {
      const others = unlisted.map(({ id, modifiedAt }) => ({ id, modifiedAt }));
      const backups = entries.map(summaryOf);
      const said = { store: store.name, cluster, backups, damaged, unlisted: others };
      call.print(JSON.stringify(said, null, 2));
      return 0;
    }
    call.print(`cluster ${cluster.name} (${cluster.id}) in ${store.name}`);
    const heads = ["BACKUP", "KIND", "ENGINE", "SERVER", "STORED", "OF", "VERIFIED", "HELD"];
    if (entries.length === 0) call.print("no backups");
    else call.print(table(heads, entries.map(rowOf)));
    for (const { id, why } of damaged) call.print(`${paint("red", "damaged")} ${id}: ${why}`);
    for (const { id, modifiedAt } of unlisted)
      call.print(`${id}: not listed: under way or left over, since ${timeOf(modifiedAt)}`);
    return 0;
  });
}

export async function show(call: StoreCall): Promise<number> {
  const id = idOf(call);
  return withStore(call, async (store, cluster) => {
    const entry = await readEntry(store, cluster.id, id);
    if (call.json) call.print(JSON.stringify(entry, null, 2));
    else call.print(table(["", ""], factsOf(entry)).trimStart());
    return 0;
  });
}

/** Without the parts' hashes: `show` has them. */
function summaryOf({ manifest, verdicts, hold }: CatalogEntry) {
  const { data, ...rest } = manifest;
  const { key, bytes, sha256 } = data;
  return { ...rest, data: { key, bytes, sha256 }, verified: verdicts[0] ?? null, hold };
}

function rowOf({ manifest, verdicts, hold }: CatalogEntry): readonly string[] {
  const { id, kind, parent, engine, server, data, rawBytes } = manifest;
  const on = parent === null ? kind : `on ${parent}`;
  const sizes = [formatSize(data.bytes), formatSize(rawBytes)];
  return [id, on, engine.name, server.version, ...sizes, wordOf(verdicts[0]), hold ?? ""];
}

function wordOf(verdict: Verdict | undefined): string {
  if (verdict === undefined) return "never";
  return verdict.ok ? paint("green", verdict.at) : paint("red", `failed ${verdict.at}`);
}

function factsOf({ manifest, verdicts, hold }: CatalogEntry): readonly (readonly string[])[] {
  const { data, encryption, compression, lsn, binlog } = manifest;
  const took = (Date.parse(manifest.finishedAt) - Date.parse(manifest.startedAt)) / 1000;
  const facts: readonly (readonly [string, string | null])[] = [
    ["backup", manifest.id],
    ["cluster", `${manifest.cluster.name} ${manifest.cluster.id}, epoch ${manifest.epoch}`],
    ["node", `${manifest.node.name} ${manifest.node.uuid}, ${manifest.node.role}`],
    ["kind", manifest.parent === null ? manifest.kind : `incremental on ${manifest.parent}`],
    ["engine", `${manifest.engine.name} ${manifest.engine.version}, ${manifest.stream}`],
    ["server", `${manifest.server.flavor} ${manifest.server.version}`],
    ["begun", manifest.startedAt],
    ["whole", `${manifest.finishedAt}, after ${took} s`],
    ["gtid", manifest.gtid],
    ["binlog", binlog === null ? null : `${binlog.file} ${binlog.position}`],
    ["lsn", lsn === null ? null : `${lsn.from} to ${lsn.to}`],
    ["image", `${formatSize(manifest.rawBytes)} (${manifest.rawBytes} bytes)`],
    ["stored", `${formatSize(data.bytes)} (${data.bytes} bytes), ${data.parts.length} parts`],
    ["sha256", data.sha256],
    ["compressed", compression === null ? "no" : `${compression.name} ${compression.level}`],
    ["encrypted", encryption === null ? "no" : `for ${encryption.recipients.join(", ")}`],
    ["held", hold],
    ...verdicts.map((verdict) => ["verified", verdictSays(verdict)] as const),
  ];
  return facts.flatMap(([name, value]) => (value === null ? [] : [[paint("dim", name), value]]));
}

function verdictSays({ at, ok, node, problems, restoreMs }: Verdict): string {
  const took = restoreMs === null ? "" : `, restored in ${(restoreMs / 1000).toFixed(1)} s`;
  return `${at} on ${node}: ${ok ? "good" : problems.join("; ")}${took}`;
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
