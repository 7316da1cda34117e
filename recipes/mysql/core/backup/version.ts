// Versions of servers and engines. MySQL's are a calendar's since 26.7, and 26.7.0 is newer than 9.7.4: they are compared
// as numbers. A series is what major.minor names: within one, data files and backup tools fit together.
import type { ServerVersion } from "./manifest.ts";

export type Version = { readonly major: number; readonly minor: number; readonly patch: number };

/** The first three numbers of "8.0.35-36", "9.7.4-2", "10.11.18-MariaDB-0+deb12u1"; null: there are none. */
export function parseVersion(text: string): Version | null {
  const [, major, minor, patch] = /(\d{1,4})\.(\d{1,4})\.(\d{1,4})/.exec(text) ?? [];
  if (major === undefined) return null;
  return { major: Number(major), minor: Number(minor), patch: Number(patch) };
}

/** Negative where a is older. */
export function compareVersions(a: Version, b: Version): number {
  return a.major - b.major || a.minor - b.minor || a.patch - b.patch;
}

/** "9.7"; null: not a version. */
export function seriesOf(text: string): string | null {
  const version = parseVersion(text);
  return version === null ? null : `${version.major}.${version.minor}`;
}

/**
 * Why `here` cannot take a datadir of `backup`, and what to do; null: it can, being of the same series and at least as new.
 * Reference Manual, "Upgrading MySQL": an image is upgraded by starting the next series on it, one after the other.
 */
export function seriesProblem(
  backup: ServerVersion,
  here: string,
): { readonly why: string; readonly hint: string } | null {
  const of = `the backup is of ${serverName(backup)}`;
  if (backup.flavor === "mariadb")
    return {
      why: `${of}: only MySQL's backups are restored yet`,
      hint: "unpack it with mariadb-backup of the same series",
    };
  const [theirs, own] = [parseVersion(backup.version), parseVersion(here)];
  if (theirs === null || own === null)
    return { why: `${of}, and mysqld here is ${here}: no version`, hint: "set AUTOPILOT_MYSQLD" };
  const series = seriesOf(backup.version);
  if (seriesOf(here) !== series)
    return {
      why: `${of}, and mysqld here is ${here}`,
      hint:
        compareVersions(own, theirs) > 0
          ? `restore with a mysqld ${series} (AUTOPILOT_MYSQLD), then upgrade series by series by starting the newer server on it`
          : `a datadir is never downgraded: restore with a mysqld ${series} (AUTOPILOT_MYSQLD)`,
    };
  if (compareVersions(theirs, own) > 0)
    return {
      why: `${of}, and mysqld here is ${here}: older`,
      hint: `restore with ${backup.version} or a newer ${series} (AUTOPILOT_MYSQLD)`,
    };
  return null;
}

/** "Percona Server 8.4.2". */
export function serverName({ flavor, version }: ServerVersion): string {
  return `${NAMES[flavor]} ${version}`;
}

const NAMES = { mysql: "MySQL", percona: "Percona Server", mariadb: "MariaDB" } as const;
