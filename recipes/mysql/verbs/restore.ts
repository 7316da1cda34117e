// `autopilot restore`: from an object store to a datadir, on a machine with the binaries and nothing else. The work is loaded
// when it is called: agents do not carry it.
import type { StoreVerb } from "../../../src/index.ts";

export const restore: StoreVerb = {
  name: "restore",
  summary: "make a datadir from an object store, exact to the transaction; no cluster has to run",
  options: {
    "--into <dir>": "empty or not there: becomes the datadir",
    "--from <store>": "s3://bucket/prefix?… or a directory (default: AUTOPILOT_MYSQL_BACKUP_TO)",
    "--backup <id>": "this backup, as it is; with a target: from this one on",
    "--to-time <time>":
      "all that was committed until then: 2026-11-20T14:55:00Z, or with an offset",
    "--to-gtid <gtid>": "this transaction and all before it: UUID:N or UUID:TAG:N",
    "--latest": "the newest state (default)",
    "--identity <file>": "age identity (0600), where the store's content is encrypted",
    "--dry-run": "say what would be restored, and write nothing",
  },
  async runAnywhere(call) {
    const { restoreCommand } = await import("./restore-command.ts");
    return restoreCommand(call);
  },
};
