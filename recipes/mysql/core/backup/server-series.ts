// Which server can be started on a datadir of another one: the same series, at least as new. Reference Manual, "Upgrading
// MySQL": an image is upgraded by starting the next series on it, one after the other, never downgraded by that.
import type { ServerVersion } from "./manifest.ts";

/** 8.0, 8.4, 9.7, 26.7: what changes the datadir. */
export function seriesOf(version: string): string {
  return version.split(".").slice(0, 2).join(".");
}

/** Why `here` cannot take a datadir of `backup`, and what to do; null: it can. */
export function seriesProblem(
  backup: ServerVersion,
  here: string,
): { readonly why: string; readonly hint: string } | null {
  const of = `the backup is of ${NAMES[backup.flavor]} ${backup.version}`;
  if (backup.flavor === "mariadb")
    return {
      why: `${of}: only MySQL's backups are restored yet`,
      hint: "unpack it with mariadb-backup of the same series",
    };
  const series = seriesOf(backup.version);
  if (seriesOf(here) !== series)
    return {
      why: `${of}, and mysqld here is ${here}`,
      hint: isNewer(here, backup.version)
        ? `restore with a mysqld ${series} (AUTOPILOT_MYSQLD), then upgrade series by series by starting the newer server on it`
        : `a datadir is never downgraded: restore with a mysqld ${series} (AUTOPILOT_MYSQLD)`,
    };
  if (isNewer(backup.version, here))
    return {
      why: `${of}, and mysqld here is ${here}: older`,
      hint: `restore with ${backup.version} or a newer ${series} (AUTOPILOT_MYSQLD)`,
    };
  return null;
}

const NAMES = { mysql: "MySQL", percona: "Percona Server", mariadb: "MariaDB" } as const;

function isNewer(a: string, b: string): boolean {
  const [left, right] = [numbersOf(a), numbersOf(b)];
  for (let at = 0; at < 3; at++) {
    const [one, other] = [left[at] ?? 0, right[at] ?? 0];
    if (one !== other) return one > other;
  }
  return false;
}

function numbersOf(version: string): readonly number[] {
  return version.split(".").map(Number);
}
