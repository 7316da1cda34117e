// The MySQL binaries that local clusters and tests run.
import type { ToolSpec } from "../../../src/index.ts";

/**
 * MySQL from 8.0.26 on, which has the words that the recipe speaks (source and replica in semi-synchronous
 * replication). MariaDB calls its server `mysqld` too, but has another GTID, another semi-sync and no clone.
 * Fetched, it is the 9.7 LTS of Debian sid.
 */
export const mysqlSpec: ToolSpec = {
  name: "mysql",
  version: "9.7",
  env: "AUTOPILOT_MYSQLD",
  binary: "mysqld",
  // First, or mysqld would read the machine's my.cnf, and may refuse to start because of it.
  versionArgs: ["--no-defaults", "--version"],
  accept: (output) => {
    if (/MariaDB/i.test(output)) return { ok: false, why: "it is MariaDB, not MySQL" };
    const [, version = "", ...parts] = /\bVer ((\d+)\.(\d+)\.(\d+))/.exec(output) ?? [];
    if (version === "") return { ok: false, why: "it does not say that it is MySQL" };
    const [major = 0, minor = 0, patch = 0] = parts.map(Number);
    if (major * 1e6 + minor * 1e3 + patch >= 8_000_026) return { ok: true, version };
    return { ok: false, why: `MySQL ${version} is older than 8.0.26` };
  },
  apt: {
    suite: "sid",
    packages: ["mysql-server-core", "mysql-client-core"],
    main: "usr/sbin/mysqld",
  },
  install: "install MySQL 8.0.26 or newer (apt install mysql-server), or set AUTOPILOT_MYSQLD",
};
