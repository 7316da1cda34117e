// A service in etcd: one key, bound to a lease when it has a check, so that it vanishes when nobody reports for it. The
// lease's id follows from the service's, so that whoever reports finds it: another process of this node, or the same one
// after a restart.
import { createHash } from "node:crypto";
import type { IKeyValue } from "etcd3";
import type { Instance } from "../ports.ts";
import { serviceKey, servicesKey, spanOfPrefix } from "./keys.ts";
import { isNoLease } from "./leases.ts";
import type { Transport } from "./transport.ts";

/** What the key says, as JSON. */
export type ServiceRecord = Instance & {
  /** Of its check, in seconds; null: it has none. */
  readonly ttl: number | null;
  /** Of the last change of its status. */
  readonly note: string;
};

/** Where services are registered: below this prefix, on this node. */
export type Place = { readonly prefix: string; readonly node: string };

export type Found = {
  readonly key: Buffer;
  readonly index: number;
  readonly record: ServiceRecord;
};

export function instancesOf(kvs: readonly IKeyValue[]): readonly Instance[] {
  return kvs.map((kv) => {
    const { node, id, name, address, port, tags, meta, status } = recordOf(kv);
    return { node, id, name, address, port, tags, meta, status };
  });
}

function recordOf({ value }: IKeyValue): ServiceRecord {
  return JSON.parse(value.toString()) as ServiceRecord;
}

/** The lease of a service's check. */
export function checkLease({ prefix, node }: Place, id: string, ttlSeconds: number): string {
  const hash = createHash("sha256").update(JSON.stringify([prefix, node, id, ttlSeconds]));
  // 63 bits: etcd's ids are positive. Zero would mean one of its own choosing.
  return String((hash.digest().readBigUInt64BE() >> 1n) | 1n);
}

/** This node's service of that id, or null. The name is in front in the key, so all are looked through: rarely. */
export async function findService(
  transport: Transport,
  { prefix, node }: Place,
  id: string,
): Promise<Found | null> {
  const { kvs } = await transport.call(`find service ${id}`, (client) =>
    client.kv.range(spanOfPrefix(servicesKey(prefix))),
  );
  for (const kv of kvs) {
    const record = recordOf(kv);
    if (record.node === node && record.id === id)
      return { key: kv.key, index: Number(kv.mod_revision), record };
  }
  return null;
}

/** The service of that name and id, or null. */
export async function readService(
  transport: Transport,
  { prefix, node }: Place,
  { name, id }: { readonly name: string; readonly id: string },
): Promise<Found | null> {
  const key = Buffer.from(serviceKey(prefix, { name, node, id }));
  const { kvs } = await transport.call(`read service ${id}`, (client) => client.kv.range({ key }));
  const [kv] = kvs;
  return kv === undefined ? null : { key, index: Number(kv.mod_revision), record: recordOf(kv) };
}

/**
 * Writes it on condition that its key is as it was at `index` (0: there is none). "moved": it is not; "no lease": its
 * check has expired in between.
 */
export async function writeService(
  transport: Transport,
  place: Place,
  record: ServiceRecord,
  index: number,
): Promise<"written" | "moved" | "no lease"> {
  const key = Buffer.from(serviceKey(place.prefix, record));
  const lease = record.ttl === null ? "0" : checkLease(place, record.id, record.ttl);
  const value = Buffer.from(JSON.stringify(record));
  return transport.call(`write service ${record.id}`, async (client) => {
    try {
      const { succeeded } = await client.kv.txn({
        compare: [{ key, target: "Mod", result: "Equal", mod_revision: index }],
        success: [{ request_put: { key, value, lease } }],
      });
      return succeeded ? "written" : "moved";
    } catch (error) {
      if (isNoLease(error)) return "no lease";
      throw error;
    }
  });
}
