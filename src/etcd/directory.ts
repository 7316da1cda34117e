// The Directory port on etcd. etcd has no agents and no checks: a service with a check is a key bound to a lease that
// each report keeps alive, and what nobody reports for vanishes, where Consul would show it critical.
// A node is this machine's host name. There are no datacenters.
import { ConfigError, ConflictError, UnavailableError } from "../errors.ts";
import type { Directory, Instance, Service, ServiceName } from "../ports.ts";
import type { EtcdConfig } from "./config.ts";
import { servicesKey, spanOfPrefix } from "./keys.ts";
import { grantLease, keepLease, revokeLease } from "./leases.ts";
import {
  checkLease,
  findService,
  instancesOf,
  readService,
  writeService,
  type Found,
  type Place,
} from "./service-record.ts";
import { endSessionsOf } from "./sessions.ts";
import type { Transport } from "./transport.ts";
import { watchSpan } from "./watch.ts";

type Status = Instance["status"];
/** Where each service of ours is, so that a report need not look for it. */
type Names = Map<string, string>;
type Parts = {
  readonly transport: Transport;
  readonly config: EtcdConfig;
  readonly place: Place;
  readonly names: Names;
};

/** Somebody else wrote the same service each time; or its lease expired each time. */
const TRIES_MAX = 8;

export function createDirectory(transport: Transport, config: EtcdConfig, place: Place): Directory {
  const parts: Parts = { transport, config, place, names: new Map() };
  return {
    register: (service, ttlSeconds, more: { readonly status?: Status } = {}) =>
      register(parts, service, ttlSeconds, more.status),
    deregister: (id) => deregister(parts, id),
    report: (id, status, note) => report(parts, id, status, note),
    async instances(name, { passing = false } = {}) {
      const span = spanOfPrefix(servicesKey(config.prefix, name));
      const { kvs } = await transport.call(`instances of ${name}`, (client) =>
        client.kv.range(span),
      );
      return instancesOf(kvs).filter(({ status }) => !passing || status === "passing");
    },
    watch: ({ service, tag, dc, passingOnly = false }, watcher) => {
      if (dc !== undefined) return Promise.reject(noDatacenters(service, dc));
      const wanted = (it: Instance): boolean =>
        (!passingOnly || it.status === "passing") && (tag === undefined || hasTag(it, tag));
      const what = `watch service ${service}`;
      const span = spanOfPrefix(servicesKey(config.prefix, service));
      const print = (seen: readonly Instance[]): string => JSON.stringify(seen);
      const read: typeof instancesOf = (kvs) => instancesOf(kvs).filter(wanted);
      return watchSpan(transport, { what, span, read, print }, watcher);
    },
    watchNames: (watcher) => {
      const what = "watch the names of services";
      const span = spanOfPrefix(servicesKey(config.prefix));
      const print = (seen: readonly ServiceName[]): string => JSON.stringify(seen);
      const read = (kvs: Parameters<typeof instancesOf>[0]) => namesOf(instancesOf(kvs));
      return watchSpan(transport, { what, span, read, print }, watcher);
    },
  };
}

function noDatacenters(service: string, dc: string): ConfigError {
  const why = `etcd: watch service ${service}: etcd has no datacenters, and ${dc} was asked for`;
  return new ConfigError("AP_CONFIG_INVALID", why, { hint: "leave the datacenter away" });
}

/** As Consul compares them. */
function hasTag({ tags }: Instance, tag: string): boolean {
  return tags.some((it) => it.toLowerCase() === tag.toLowerCase());
}

function namesOf(instances: readonly Instance[]): readonly ServiceName[] {
  const tags = new Map<string, Set<string>>();
  for (const it of instances) {
    const known = tags.get(it.name) ?? new Set();
    for (const tag of it.tags) known.add(tag);
    tags.set(it.name, known);
  }
  return [...tags]
    .map(([name, all]) => ({ name, tags: [...all].toSorted() }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

async function register(
  parts: Parts,
  service: Service,
  ttl: number | null,
  initial: Status = "critical",
): Promise<void> {
  const before = parts.names.get(service.id);
  if (before !== undefined && before !== service.name) await deregister(parts, service.id);
  await registerService(parts.transport, parts.place, service, { ttl, initial });
  parts.names.set(service.id, service.name);
}

/** A check that is there already keeps its status; `status` is what it is from now on in any case. */
export async function registerService(
  transport: Transport,
  place: Place,
  service: Service,
  check: { readonly ttl: number | null; readonly initial?: Status; readonly status?: Status },
): Promise<void> {
  const { id, name, address, port, tags, meta } = service;
  const { ttl, initial = "critical" } = check;
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    if (ttl !== null) await startCheck(transport, checkLease(place, id, ttl), ttl, id);
    const found = await readService(transport, place, service);
    const kept = found !== null && found.record.ttl !== null ? found.record : null;
    const now = ttl === null ? "passing" : (check.status ?? kept?.status ?? initial);
    const base = { node: place.node, id, name, address, port, tags, meta };
    const record = { ...base, status: now, ttl, note: kept?.note ?? "" };
    const done = await writeService(transport, place, record, found?.index ?? 0);
    if (done === "written") return;
  }
  const why = `etcd: register service ${id}: overtaken by others ${TRIES_MAX} times`;
  throw new UnavailableError("AP_ETCD_UNREACHABLE", why);
}

/** Its time begins now, also when it was running. */
function startCheck(transport: Transport, lease: string, ttl: number, id: string): Promise<void> {
  return transport.call(`register service ${id}`, async (client) => {
    await grantLease(client, ttl, lease);
    await keepLease(client, lease);
  });
}

async function find({ transport, place, names }: Parts, id: string): Promise<Found | null> {
  const name = names.get(id);
  if (name === undefined) return findService(transport, place, id);
  return readService(transport, place, { name, id });
}

async function report(parts: Parts, id: string, status: Status, note: string): Promise<void> {
  const { transport, config, place } = parts;
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const found = await find(parts, id);
    const ttl = found?.record.ttl ?? null;
    if (found === null || ttl === null) break;
    const lives = await transport.call(`report ${status} for service ${id}`, (client) =>
      keepLease(client, checkLease(place, id, ttl)),
    );
    if (!lives) break;
    if (found.record.status === status) return;
    const record = { ...found.record, status, note };
    if ((await writeService(transport, place, record, found.index)) !== "written") continue;
    if (status === "critical") await endSessionsOf(transport, config, place.node, id);
    return;
  }
  const why = `etcd at ${transport.address()} does not know the check of service ${id}`;
  throw new ConflictError("AP_ETCD_UNREACHABLE", why, { hint: "register the service again" });
}

async function deregister(parts: Parts, id: string): Promise<void> {
  const found = await find(parts, id);
  parts.names.delete(id);
  if (found === null) return;
  await forgetService(parts.transport, parts.config, parts.place, found);
}

/** The key, its check and the sessions that were bound to it. */
export async function forgetService(
  transport: Transport,
  config: EtcdConfig,
  place: Place,
  { key, record: { id, ttl } }: Found,
): Promise<void> {
  await transport.call(`deregister service ${id}`, async (client) => {
    await client.kv.deleteRange({ key });
    if (ttl !== null) await revokeLease(client, checkLease(place, id, ttl));
  });
  await endSessionsOf(transport, config, place.node, id);
}
