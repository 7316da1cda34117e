// Where etcd is and how to speak to it, from the configuration and the variables that etcdctl reads. The value is plain
// data: it crosses into the lease's worker thread. It holds secrets and is never printed.
import { readFileSync } from "node:fs";
import { ConfigError, messageOf } from "../errors.ts";

export type EtcdConfig = {
  /** "https://10.0.0.1:2379", at least one; all of one scheme. Members of one cluster: any of them will do. */
  readonly endpoints: readonly string[];
  /** What the catalogue and the sessions live below. Keys of the Kv port are etcd's own keys, as they are. */
  readonly prefix: string;
  /** PEM texts, or null. */
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
  readonly user: { readonly name: string; readonly password: string } | null;
};

/** The configuration's section `etcd`: what it says wins over the environment. */
export type EtcdSection = {
  readonly endpoints?: string | readonly string[] | undefined;
  readonly prefix?: string | undefined;
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly user?: string | undefined;
  readonly passwordFile?: string | undefined;
};

type Env = Readonly<Record<string, string | undefined>>;

const PREFIX_DEFAULT = "/autopilot";

/**
 * Reads ETCDCTL_ENDPOINTS, ETCDCTL_CACERT, ETCDCTL_CERT, ETCDCTL_KEY, ETCDCTL_USER ("name" or "name:password") and
 * ETCDCTL_PASSWORD, for what the section does not say. Errors: ConfigError AP_CONFIG_INVALID with all problems at once.
 */
export function etcdFrom(section: EtcdSection, env: Env): EtcdConfig {
  const problems: string[] = [];
  const config: EtcdConfig = {
    endpoints: endpointsOf(section, env, problems),
    prefix: prefixOf(section, problems),
    ca: fileOf(section.caFile, "caFile", env, "ETCDCTL_CACERT", problems),
    cert: fileOf(section.certFile, "certFile", env, "ETCDCTL_CERT", problems),
    key: fileOf(section.keyFile, "keyFile", env, "ETCDCTL_KEY", problems),
    user: userOf(section, env, problems),
  };
  if ((config.cert === null) !== (config.key === null))
    problems.push("etcd: a client certificate and its key are given together, or neither");
  if (/^(1|t|true)$/i.test(env["ETCDCTL_INSECURE_SKIP_TLS_VERIFY"] ?? ""))
    problems.push("ETCDCTL_INSECURE_SKIP_TLS_VERIFY: not supported, give the CA (ETCDCTL_CACERT)");
  if (problems.length > 0)
    throw new ConfigError("AP_CONFIG_INVALID", `etcd: ${problems.join("; ")}`, { problems });
  return config;
}

function endpointsOf(section: EtcdSection, env: Env, problems: string[]): readonly string[] {
  const given = section.endpoints ?? env["ETCDCTL_ENDPOINTS"] ?? "http://127.0.0.1:2379";
  const source = section.endpoints === undefined ? "ETCDCTL_ENDPOINTS" : "etcd.endpoints";
  const texts = typeof given === "string" ? given.split(",") : given;
  const endpoints = texts.flatMap((text) => {
    const endpoint = endpointOf(text.trim());
    if (endpoint === null)
      problems.push(`${source}: ${JSON.stringify(redacted(text))} is no endpoint`);
    return endpoint ?? [];
  });
  if (texts.length === 0) problems.push(`${source}: no endpoint`);
  // The client takes one kind of credentials for all of them.
  if (new Set(endpoints.map((it) => it.split(":")[0])).size > 1)
    problems.push(`${source}: either all endpoints are https, or none is`);
  return endpoints;
}

/** "host:port" or with a scheme, as etcdctl takes it. */
function endpointOf(text: string): string | null {
  const url = URL.parse(/^[a-z]+:\/\//i.test(text) ? text : `http://${text}`);
  if (url === null || url.hostname === "" || !/^https?:$/.test(url.protocol)) return null;
  if (url.username !== "" || url.password !== "" || !/^\/?$/.test(url.pathname)) return null;
  // The URL parser drops a scheme's own port; only a text without any port means etcd's.
  const port = /:(\d+)\/?$/.exec(text)?.[1] ?? "2379";
  return `${url.protocol}//${url.hostname}:${port}`;
}

/** Endpoints may carry a password by mistake. */
function redacted(text: string): string {
  return text.replace(/\/\/[^@/]*@/, "//…@");
}

function prefixOf({ prefix = PREFIX_DEFAULT }: EtcdSection, problems: string[]): string {
  // A slash in front keeps them apart from the keys of the Kv port, which begin with a name.
  if (!/^(\/[\w.-]+)+$/.test(prefix))
    problems.push('etcd.prefix: expected a path like "/autopilot"');
  return prefix;
}

function userOf(
  { user, passwordFile }: EtcdSection,
  env: Env,
  problems: string[],
): EtcdConfig["user"] {
  const [given = "", ...rest] = (user ?? env["ETCDCTL_USER"] ?? "").split(":");
  const written = rest.length > 0 ? rest.join(":") : env["ETCDCTL_PASSWORD"];
  if (given === "") return null;
  if (user?.includes(":") === true) {
    problems.push("etcd.user: only the name; the password comes from etcd.passwordFile");
    return null;
  }
  const password =
    passwordFile === undefined ? written : readText("etcd.passwordFile", passwordFile, problems);
  if (!password) problems.push(`etcd: no password for user ${given}`);
  return { name: given, password: (password ?? "").trimEnd() };
}

function fileOf(
  path: string | undefined,
  name: string,
  env: Env,
  variable: string,
  problems: string[],
): string | null {
  if (path !== undefined) return readText(`etcd.${name}`, path, problems);
  const from = env[variable];
  return from === undefined || from === "" ? null : readText(variable, from, problems);
}

function readText(what: string, path: string, problems: string[]): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    problems.push(`${what}: ${messageOf(error)}`);
    return null;
  }
}
