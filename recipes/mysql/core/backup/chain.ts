// When an incremental backup fits onto another. The engines notice little of it themselves: a wrong LSN makes a backup
// that cannot be used, without an error. Pure.
import type { CatalogEntry, EngineName, Manifest, ServerVersion } from "./manifest.ts";
import { seriesOf } from "./version.ts";

/** What is about to make an incremental onto a parent. */
export type IncrementalMaker = {
  readonly clusterId: string;
  /** server_uuid: another datadir has LSNs of its own, also after a clone or a restore on the same node. */
  readonly uuid: string;
  readonly engine: { readonly name: EngineName; readonly version: string };
  readonly server: ServerVersion;
};

/** Why `parent` cannot carry an incremental of this maker; [] when it can. */
export function parentProblems(parent: Manifest, maker: IncrementalMaker): readonly string[] {
  const problems: string[] = [];
  const differ = (what: string, of: string, now: string): void => {
    if (of !== now) problems.push(`its ${what} is ${of}, not ${now}`);
  };
  if (parent.engine.name === "clone") problems.push("a clone carries no incrementals");
  else if (parent.lsn === null) problems.push("it does not say up to which LSN it goes");
  differ("cluster", parent.cluster.id, maker.clusterId);
  differ("server_uuid", parent.node.uuid, maker.uuid);
  differ("engine", parent.engine.name, maker.engine.name);
  differ("engine's series", series(parent.engine.version), series(maker.engine.version));
  differ("server's flavor", parent.server.flavor, maker.server.flavor);
  differ("server's series", series(parent.server.version), series(maker.server.version));
  return problems;
}

/**
 * The newest backup that an incremental of this maker may rest on, or null: of one that was found to be bad, or that rests on
 * such a one, nothing can be restored. `entries`: newest first.
 */
export function parentAmong(
  entries: readonly CatalogEntry[],
  maker: IncrementalMaker,
): Manifest | null {
  const byId = new Map(entries.map((entry) => [entry.manifest.id, entry]));
  const isWhole = ({ manifest }: CatalogEntry): boolean => {
    const chain: Manifest[] = [];
    for (let at: string | null = manifest.id; at !== null;) {
      const entry = byId.get(at);
      if (entry === undefined || entry.verdicts[0]?.ok === false) return false;
      if (chain.includes(entry.manifest)) return false;
      chain.unshift(entry.manifest);
      at = entry.manifest.parent;
    }
    return chainProblems(chain).length === 0;
  };
  const found = entries.find(
    (entry) => parentProblems(entry.manifest, maker).length === 0 && isWhole(entry),
  );
  return found?.manifest ?? null;
}

/** Why these, a full backup and the incrementals onto it in order, are no chain; [] when they are one. */
export function chainProblems(chain: readonly Manifest[]): readonly string[] {
  const [base] = chain;
  if (base === undefined) return ["there is no backup"];
  const problems = base.kind === "full" ? [] : [`${base.id} is an incremental, not a full backup`];
  for (const [at, child] of chain.entries()) {
    const parent = chain[at - 1];
    if (parent === undefined) continue;
    const said = (why: string): number => problems.push(`${child.id} onto ${parent.id}: ${why}`);
    if (child.kind !== "incremental") said("it is no incremental");
    if (child.parent !== parent.id) said(`its parent is ${child.parent}`);
    if (child.lsn?.from !== parent.lsn?.to)
      said(`it begins at LSN ${child.lsn?.from}, and not at ${parent.lsn?.to}`);
    for (const why of parentProblems(parent, {
      ...child,
      clusterId: child.cluster.id,
      uuid: child.node.uuid,
    }))
      said(why);
  }
  return problems;
}

function series(version: string): string {
  return seriesOf(version) ?? version;
}
