// Which engine makes a backup of this server, and why; or why none can. Pure.
import type { EngineName, ServerVersion } from "./manifest.ts";
import { compareVersions, parseVersion, seriesOf, serverName } from "./version.ts";

export type EngineFacts = {
  readonly server: ServerVersion;
  /** Versions of the tools that were found on the server's machine; null: not there. */
  readonly tools: { readonly xtrabackup: string | null; readonly "mariadb-backup": string | null };
  /** The server has the clone plugin, active. */
  readonly clonePlugin: boolean;
  /** Tables with rows in other engines than InnoDB: the clone plugin copies them empty. */
  readonly otherTables: readonly string[];
  /** From the configuration; "auto": we choose. */
  readonly wished: EngineName | "auto";
};

export type EngineChoice =
  | {
      readonly ok: true;
      readonly engine: EngineName;
      /** Of the engine. */
      readonly version: string;
      readonly why: string;
    }
  | { readonly ok: false; readonly reasons: readonly string[] };

type Fit =
  | { readonly fits: true; readonly version: string; readonly why: string }
  | { readonly fits: false; readonly why: string };

/** From this one on an XtraBackup of 8.0 takes every newer server of 8.0. */
const RELAXED_SINCE = 34;
/** CLONE came with it. */
const CLONE_SINCE = { major: 8, minor: 0, patch: 17 };

/** Best first: XtraBackup and mariadb-backup need no second copy of the data and make incrementals. */
const ORDER: readonly EngineName[] = ["xtrabackup", "mariadb-backup", "clone"];

export function chooseEngine(facts: EngineFacts): EngineChoice {
  const candidates = facts.wished === "auto" ? ORDER : [facts.wished];
  const reasons: string[] = [];
  for (const engine of candidates) {
    const fit = FITS[engine](facts);
    if (!fit.fits) {
      reasons.push(`${engine}: ${fit.why}`);
      continue;
    }
    const passed = facts.wished === "auto" ? reasons : ["it is configured"];
    return { ok: true, engine, version: fit.version, why: [fit.why, ...passed].join("; ") };
  }
  return { ok: false, reasons };
}

const FITS: Readonly<Record<EngineName, (facts: EngineFacts) => Fit>> = {
  xtrabackup: ({ server, tools }) => {
    if (server.flavor === "mariadb") return no("it cannot read MariaDB's files");
    return sameSeries("XtraBackup", tools.xtrabackup, server, (tool, own) =>
      // Its own rule for 8.0, which it enforces itself; the option that skips it makes backups that cannot be restored.
      tool.major === 8 && tool.minor === 0 && tool.patch < RELAXED_SINCE
        ? own.patch <= tool.patch
        : true,
    );
  },
  "mariadb-backup": ({ server, tools }) => {
    if (server.flavor !== "mariadb")
      return no(`it reads MariaDB's files, not those of ${serverName(server)}`);
    return sameSeries("mariadb-backup", tools["mariadb-backup"], server, () => true);
  },
  clone: ({ server, clonePlugin, otherTables }) => {
    if (server.flavor === "mariadb") return no("MariaDB has no CLONE");
    const version = parseVersion(server.version);
    if (version === null || compareVersions(version, CLONE_SINCE) < 0)
      return no(`CLONE came with MySQL 8.0.17, this is ${serverName(server)}`);
    if (!clonePlugin) return no("the server has not loaded its clone plugin");
    if (otherTables.length > 0)
      return no(
        `it would copy these tables without their rows, they are not InnoDB: ${few(otherTables)}`,
      );
    return { fits: true, version: server.version, why: "the server clones itself" };
  },
};

type Numbers = { readonly major: number; readonly minor: number; readonly patch: number };

function sameSeries(
  name: string,
  found: string | null,
  server: ServerVersion,
  takes: (tool: Numbers, server: Numbers) => boolean,
): Fit {
  if (found === null) return no("it is not on this machine");
  const [tool, own] = [parseVersion(found), parseVersion(server.version)];
  const series = seriesOf(server.version);
  if (tool === null || own === null || seriesOf(found) !== series)
    return no(`${name} ${found} is not of the server's series: ${serverName(server)}`);
  if (!takes(tool, own)) return no(`${name} ${found} is too old for ${serverName(server)}`);
  return {
    fits: true,
    version: found,
    why: `${name} ${found} is of the server's series ${series}`,
  };
}

function no(why: string): Fit {
  return { fits: false, why };
}

function few(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(", ");
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}
