// `autopilot dsn [--role primary|replica]`: how an application connects now. The password comes from the secret's file
// of a local cluster; elsewhere the DSN is printed without it, because Consul never holds a secret.
import { join } from "node:path";
import { UnavailableError, UsageError, hostPort, type RecipeVerb } from "../../../src/index.ts";
import { APP } from "../app-account.ts";
import { readSecrets, secretFiles } from "../mysqld/secrets.ts";
import { primaryOf, requireCluster, see } from "../view.ts";

export const dsn: RecipeVerb = {
  name: "dsn",
  summary: "print a mysql:// address of the application user",
  options: { "--role <role>": "primary (default) or replica" },
  run: async (call) => {
    const { cluster, dir, options, print, json } = call;
    const role = options["role"] ?? "primary";
    if (role !== "primary" && role !== "replica")
      throw new UsageError("AP_USAGE", `--role is primary or replica, not ${String(role)}`);
    await requireCluster(call.kv, cluster);
    const seen = await see(call, cluster);
    const node = role === "primary" ? primaryOf(seen) : seen.rows.find((r) => r.role === "replica");
    if (node == null)
      throw new UnavailableError("AP_MYSQLD_TIMEOUT", `there is no ${role} now`, {
        hint: "`autopilot status` says what each node waits for",
      });
    const secret = dir === null ? null : (await readSecrets(secretFiles(join(dir, "secrets")))).app;
    const user = secret === null ? APP.user : `${APP.user}:${encodeURIComponent(secret)}`;
    const url = `mysql://${user}@${hostPort(node.host, node.port)}/${APP.database}`;
    print(json ? JSON.stringify({ dsn: url, node: node.node, role }) : url);
    return 0;
  },
};
