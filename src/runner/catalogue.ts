// The catalogue that a configuration names. What speaks to it is loaded only then: a runner without one is smaller.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Catalogue } from "../core/runner-config.ts";
import type { ConsulConfig } from "../consul/config.ts";
import { ConfigError, messageOf } from "../errors.ts";
import type { Directory, Kv } from "../ports.ts";

export type OpenCatalogue = {
  /** Null: there is none. */
  readonly directory: Directory | null;
  readonly kv: Kv | null;
  /** What must not be printed. */
  readonly secrets: readonly string[];
  close(): void;
};

const NONE: OpenCatalogue = { directory: null, kv: null, secrets: [], close: () => {} };

/** Nothing is connected yet. Errors: ConfigError AP_CONFIG_UNREADABLE (certificates), AP_CONFIG_INVALID (etcd). */
export async function openCatalogue(
  catalogue: Catalogue,
  env: NodeJS.ProcessEnv,
): Promise<OpenCatalogue> {
  switch (catalogue.kind) {
    case "none":
      return NONE;
    case "etcd":
      return openEtcd(catalogue, env);
    case "consul": {
      const { connect } = await import("../consul/client.ts");
      const config = consulConfig(catalogue, env);
      const consul = connect(config);
      const { directory, kv } = consul;
      const secrets = config.token === null ? [] : [config.token];
      return { directory, kv, secrets, close: () => consul.close() };
    }
  }
}

async function openEtcd(
  { endpoints, prefix }: Extract<Catalogue, { kind: "etcd" }>,
  env: NodeJS.ProcessEnv,
): Promise<OpenCatalogue> {
  const { etcdFrom } = await import("../etcd/config.ts");
  const { connectEtcd } = await import("../etcd/client.ts");
  const config = etcdFrom({ endpoints, prefix }, env);
  const etcd = connectEtcd(config);
  const { directory, kv } = etcd;
  const secrets = config.user === null ? [] : [config.user.password];
  return { directory, kv, secrets, close: () => etcd.close() };
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
