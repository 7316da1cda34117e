// The Leaser port on etcd: a session is a lease, with a key that says whose it is. It falls when nobody renews it for as
// long as the service's check or itself may live, whichever is shorter, and with the service (directory.ts ends it).
// Its locks are bound to its lease, so that they are free at the very moment when it ends.
import { UnavailableError } from "../errors.ts";
import type { Leaser } from "../ports.ts";
import type { EtcdConfig } from "./config.ts";
import { sessionKey, spanOfPrefix } from "./keys.ts";
import { grantLease, keepLease, leaseIdOf, printLease, revokeLease } from "./leases.ts";
import { findService, type Place } from "./service-record.ts";
import type { Transport } from "./transport.ts";

/** What a session's key says. */
type SessionRecord = {
  readonly name: string;
  readonly node: string;
  readonly service: string;
};

export function createLeaser(transport: Transport, config: EtcdConfig, place: Place): Leaser {
  return {
    async open({ name, serviceId, ttlSeconds }) {
      const what = `open a session for ${serviceId}`;
      const service = await findService(transport, place, serviceId);
      const check = service?.record.ttl ?? null;
      if (service === null || check === null) throw refused(what, `Missing check for ${serviceId}`);
      if (service.record.status === "critical")
        throw refused(what, `the check of ${serviceId} is in critical state`);
      const ttl = Math.min(check, ttlSeconds);
      return openSession(transport, config, { name, node: place.node, service: serviceId }, ttl);
    },
    renew: (session) => renewSession(transport, session),
    destroy: (session) => destroySession(transport, session),
  };
}

function refused(what: string, why: string): UnavailableError {
  return new UnavailableError("AP_ETCD_UNREACHABLE", `etcd: ${what}: ${why}`, {
    hint: "register the service and pass its check first",
  });
}

export function openSession(
  transport: Transport,
  { prefix }: EtcdConfig,
  record: SessionRecord,
  ttlSeconds: number,
): Promise<string> {
  return transport.call(`open a session for ${record.service}`, async (client) => {
    const lease = await grantLease(client, ttlSeconds);
    const session = printLease(lease);
    const key = Buffer.from(sessionKey(prefix, session));
    // Without this key, when it is not written any more, the lease holds nothing and expires by itself.
    await client.kv.put({ key, value: Buffer.from(JSON.stringify(record)), lease });
    return session;
  });
}

/** False: it is gone. */
export async function renewSession(transport: Transport, session: string): Promise<boolean> {
  const lease = leaseIdOf(session);
  if (lease === null) return false;
  return transport.call("renew the session", (client) => keepLease(client, lease));
}

/** Idempotent. */
export async function destroySession(transport: Transport, session: string): Promise<void> {
  const lease = leaseIdOf(session);
  if (lease === null) return;
  await transport.call("destroy a session", (client) => revokeLease(client, lease));
}

/** Ends all sessions that a service of this node has. */
export async function endSessionsOf(
  transport: Transport,
  { prefix }: EtcdConfig,
  node: string,
  serviceId: string,
): Promise<void> {
  const all = spanOfPrefix(sessionKey(prefix, ""));
  const { kvs } = await transport.call(`sessions of ${serviceId}`, (client) =>
    client.kv.range(all),
  );
  for (const { key, value } of kvs) {
    const record = JSON.parse(value.toString()) as SessionRecord;
    if (record.node !== node || record.service !== serviceId) continue;
    await destroySession(transport, key.toString().slice(sessionKey(prefix, "").length));
  }
}
