// Where Consul is and how to speak to it, from the environment variables that Consul's own tools read. The value is
// plain data: it crosses into the lease's worker thread. It holds secrets and is never printed.
import { readFileSync } from "node:fs";
import { ConfigError, messageOf } from "../errors.ts";
import { isToken } from "./token.ts";

export type ConsulAddress = {
  readonly secure: boolean;
  readonly host: string;
  readonly port: number;
  /** A unix socket instead of host and port, or null. */
  readonly socketPath: string | null;
};

export type ConsulConfig = {
  /** At least one; the first is the local agent, the others are for when it is gone. */
  readonly addresses: readonly ConsulAddress[];
  readonly token: string | null;
  /** Where the token came from, to be read again when Consul refuses it; null: from nowhere that could change. */
  readonly tokenFile: string | null;
  /** PEM texts, or null. */
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
  /** Another name than the host's to expect in the certificate, or null. */
  readonly serverName: string | null;
  /** Whether the certificate must be valid. */
  readonly verify: boolean;
};

type Env = Readonly<Record<string, string | undefined>>;

const PORT_DEFAULT = 8500;

/**
 * Reads CONSUL_HTTP_ADDR (several, comma separated, are allowed), CONSUL_HTTP_TOKEN and _TOKEN_FILE, CONSUL_HTTP_SSL,
 * CONSUL_HTTP_SSL_VERIFY, CONSUL_CACERT, CONSUL_CLIENT_CERT, CONSUL_CLIENT_KEY, CONSUL_TLS_SERVER_NAME.
 * Errors: ConfigError AP_CONFIG_INVALID with all problems at once.
 */
export function consulFromEnv(env: Env): ConsulConfig {
  const problems: string[] = [];
  const secure = flag(env, "CONSUL_HTTP_SSL", false, problems);
  const verify = flag(env, "CONSUL_HTTP_SSL_VERIFY", true, problems);
  const given = env["CONSUL_HTTP_ADDR"] ?? `127.0.0.1:${PORT_DEFAULT}`;
  const addresses: ConsulAddress[] = [];
  for (const text of given.split(",").map((it) => it.trim())) {
    const address = parseAddress(text, secure);
    if (address === null) problems.push(`CONSUL_HTTP_ADDR: ${redacted(text)} is no address`);
    else addresses.push(address);
  }
  const tokenFile = fileOf(env, "CONSUL_HTTP_TOKEN_FILE", problems)?.trim();
  const config: ConsulConfig = {
    addresses,
    token: tokenOf(tokenFile || env["CONSUL_HTTP_TOKEN"] || null, problems),
    tokenFile: env["CONSUL_HTTP_TOKEN_FILE"] || null,
    ca: fileOf(env, "CONSUL_CACERT", problems),
    cert: fileOf(env, "CONSUL_CLIENT_CERT", problems),
    key: fileOf(env, "CONSUL_CLIENT_KEY", problems),
    serverName: env["CONSUL_TLS_SERVER_NAME"] || null,
    verify,
  };
  if (problems.length > 0)
    throw new ConfigError("AP_CONFIG_INVALID", `consul: ${problems.join("; ")}`, { problems });
  return config;
}

/** The same, from one address and nothing else: no token, no certificates of one's own. */
export function consulAt(address: string): ConsulConfig {
  return consulFromEnv({ CONSUL_HTTP_ADDR: address });
}

/** The configuration with only one of its addresses. */
export function onlyAddress(config: ConsulConfig, at: number): ConsulConfig {
  const address = config.addresses[at % config.addresses.length];
  return { ...config, addresses: address ? [address] : [] };
}

/** An address as people write it; never with a token. */
export function printAddress(address: ConsulAddress): string {
  if (address.socketPath !== null) return `unix://${address.socketPath}`;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `${address.secure ? "https" : "http"}://${host}:${address.port}`;
}

function parseAddress(text: string, secure: boolean): ConsulAddress | null {
  if (text.startsWith("unix://")) {
    const socketPath = text.slice("unix://".length);
    return socketPath === "" ? null : { secure: false, host: "localhost", port: 0, socketPath };
  }
  const url = URL.parse(
    /^[a-z]+:\/\//i.test(text) ? text : `${secure ? "https" : "http"}://${text}`,
  );
  if (url === null || url.hostname === "" || (url.pathname !== "/" && url.pathname !== ""))
    return null;
  if (url.protocol !== "http:" && url.protocol !== "https:") return null;
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  // The URL parser drops a scheme's own port, 80 or 443; only a text without any port means Consul's.
  const written = /:(\d+)\/?$/.exec(text)?.[1];
  const port = written === undefined ? PORT_DEFAULT : Number(written);
  return { secure: url.protocol === "https:", host, port, socketPath: null };
}

/** Addresses may carry a password by mistake. */
function redacted(text: string): string {
  return JSON.stringify(text.replace(/\/\/[^@/]*@/, "//…@"));
}

function tokenOf(token: string | null, problems: string[]): string | null {
  if (token !== null && !isToken(token))
    problems.push("CONSUL_HTTP_TOKEN: a token is one word of printable characters");
  return token;
}

function flag(env: Env, name: string, otherwise: boolean, problems: string[]): boolean {
  const text = env[name];
  if (text === undefined || text === "") return otherwise;
  // What Go's strconv.ParseBool takes, as Consul does.
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  problems.push(`${name}: neither true nor false`);
  return otherwise;
}

function fileOf(env: Env, name: string, problems: string[]): string | null {
  const path = env[name];
  if (path === undefined || path === "") return null;
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    problems.push(`${name}: ${messageOf(error)}`);
    return null;
  }
}
