// Which store a node or a verb speaks to, Consul or etcd: both behind the same ports. etcd's client is loaded only where
// it is configured: with its thread it takes about 20 MB more.
import { connect } from "./consul/client.ts";
import { consulFromEnv, type ConsulConfig } from "./consul/config.ts";
import { startLease } from "./consul/lease.ts";
import { etcdFrom, type EtcdConfig, type EtcdSection } from "./etcd/config.ts";
import type { LeaseOptions } from "./lease/lease.ts";
import type { Directory, Kv, Lease, Leaser } from "./ports.ts";

/** Plain data, with secrets; never printed. */
export type StoreConfig =
  | { readonly kind: "consul"; readonly config: ConsulConfig }
  | { readonly kind: "etcd"; readonly config: EtcdConfig };

export type Store = {
  readonly kv: Kv;
  readonly directory: Directory;
  readonly leaser: Leaser;
  /** The address that the next call goes to, printable. */
  address(): string;
  /** Closes idle connections; running watches end with their own signals. */
  close(): void;
};

const ETCD_URL = /^etcds?:\/\//;

/** Whether an address is etcd's: "etcd://host:2379,other:2379", with TLS "etcds://…". */
export function isEtcdUrl(url: string): boolean {
  return ETCD_URL.test(url);
}

/** The endpoints of such an address, as etcd's own tools write them. */
export function etcdEndpoints(url: string): readonly string[] {
  const scheme = url.startsWith("etcds:") ? "https" : "http";
  return url
    .replace(ETCD_URL, "")
    .split(",")
    .map((host) => `${scheme}://${host}`);
}

/**
 * The store of an address; tokens, users and TLS come from the standard variables of its tools.
 * Errors: ConfigError AP_CONFIG_INVALID.
 */
export function storeAt(url: string, env: NodeJS.ProcessEnv): StoreConfig {
  return isEtcdUrl(url)
    ? etcdStore({ endpoints: etcdEndpoints(url) }, env)
    : consulStore({ ...env, CONSUL_HTTP_ADDR: url });
}

export function consulStore(env: NodeJS.ProcessEnv): StoreConfig {
  return { kind: "consul", config: consulFromEnv(env) };
}

export function etcdStore(section: EtcdSection, env: NodeJS.ProcessEnv): StoreConfig {
  return { kind: "etcd", config: etcdFrom(section, env) };
}

/** What must not be printed of it. */
export function secretsOf({ kind, config }: StoreConfig): readonly string[] {
  const secret = kind === "consul" ? config.token : (config.user?.password ?? null);
  return secret === null ? [] : [secret];
}

export async function connectStore({ kind, config }: StoreConfig): Promise<Store> {
  if (kind === "consul") return connect(config);
  const { connectEtcd } = await import("./etcd/client.ts");
  return connectEtcd(config);
}

export function startStoreLease(store: StoreConfig, options: LeaseOptions): Promise<Lease> {
  if (store.kind === "consul") return startLease({ ...options, config: store.config });
  return startEtcd(store.config, options);
}

async function startEtcd(config: EtcdConfig, options: LeaseOptions): Promise<Lease> {
  const { startEtcdLease } = await import("./etcd/lease.ts");
  return startEtcdLease({ ...options, config });
}
