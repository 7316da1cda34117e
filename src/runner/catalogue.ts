// The catalogue that a configuration names. What speaks to it is loaded only then: a runner without one is smaller.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Catalogue } from "../core/runner-config.ts";
import type { ConsulConfig } from "../consul/config.ts";
import { ConfigError, UsageError, messageOf } from "../errors.ts";
import type { Directory, Kv } from "../ports.ts";

export type OpenCatalogue = {
  /** Null: there is none. */
  readonly directory: Directory | null;
  readonly kv: Kv | null;
  close(): void;
};

const NONE: OpenCatalogue = { directory: null, kv: null, close: () => {} };

/** Nothing is connected yet. Errors: ConfigError AP_CONFIG_UNREADABLE (certificates), UsageError AP_NOT_BUILT (etcd). */
export async function openCatalogue(
  catalogue: Catalogue,
  env: NodeJS.ProcessEnv,
): Promise<OpenCatalogue> {
  switch (catalogue.kind) {
    case "none":
      return NONE;
    case "etcd":
      throw new UsageError("AP_NOT_BUILT", "etcd: the runner cannot register there yet", {
        hint: "use Consul",
      });
    case "consul": {
      const { connect } = await import("../consul/client.ts");
      const consul = connect(consulConfig(catalogue, env));
      const { directory, kv } = consul;
      return { directory, kv, close: () => consul.close() };
    }
  }
}

type ConsulCatalogue = Extract<Catalogue, { kind: "consul" }>;

function consulConfig(
  { address, scheme, token, tls }: ConsulCatalogue,
  env: NodeJS.ProcessEnv,
): ConsulConfig {
  const [, host = "", port = "8500"] = /^(.*):(\d+)$/.exec(address) ?? [];
  const authorities = [...fileOf("cafile", tls.cafile), ...directoryOf(tls.capath)];
  return {
    addresses: [
      {
        secure: scheme === "https",
        host: host.replace(/^\[(.*)\]$/, "$1"),
        port: Number(port),
        socketPath: null,
      },
    ],
    token,
    tokenFile: env["CONSUL_HTTP_TOKEN_FILE"] || null,
    ca: authorities.length === 0 ? null : authorities.join("\n"),
    cert: fileOf("clientcert", tls.clientcert)[0] ?? null,
    key: fileOf("clientkey", tls.clientkey)[0] ?? null,
    serverName: tls.servername,
    verify: tls.verify,
  };
}

function fileOf(key: string, path: string | null): readonly string[] {
  if (path === null) return [];
  try {
    return [readFileSync(path, "utf8")];
  } catch (error) {
    throw unreadable(key, error);
  }
}

/** Every certificate of a directory. */
function directoryOf(path: string | null): readonly string[] {
  if (path === null) return [];
  try {
    const files = readdirSync(path, { withFileTypes: true }).filter(
      (entry) => !entry.isDirectory(),
    );
    return files.map(({ name }) => readFileSync(join(path, name), "utf8"));
  } catch (error) {
    throw unreadable("capath", error);
  }
}

function unreadable(key: string, cause: unknown): ConfigError {
  const why = `consul.tls.${key}: ${messageOf(cause)}`;
  return new ConfigError("AP_CONFIG_UNREADABLE", why, { cause });
}
