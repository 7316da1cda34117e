// MariaDB 10.11 with mariadb-backup, as a tool of the toolchain, for tests alone: the recipe itself runs MySQL.
import type { ToolSpec } from "../../src/local/toolchain.ts";

export const mariadbSpec: ToolSpec = {
  name: "mariadb",
  version: "10.11",
  env: "AUTOPILOT_MARIADBD",
  binary: "mariadbd",
  // First, or it would read the machine's my.cnf, and may refuse to start because of it.
  versionArgs: ["--no-defaults", "--version"],
  accept(output) {
    const [, version = "", major = "", minor = ""] =
      /\bVer ((\d+)\.(\d+)\.\d+)-MariaDB/.exec(output) ?? [];
    if (version === "") return { ok: false, why: "it does not say that it is MariaDB" };
    if (`${major}.${minor}` === "10.11") return { ok: true, version };
    return { ok: false, why: `MariaDB ${version} is not of the series 10.11` };
  },
  apt: {
    suite: "bookworm",
    packages: ["mariadb-server-core", "mariadb-backup", "mariadb-client-core"],
    main: "usr/sbin/mariadbd",
  },
  install: "apt install mariadb-server-core mariadb-backup, or set AUTOPILOT_MARIADBD",
};
