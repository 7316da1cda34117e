// etcd's leases, one request each: a lease is granted, kept alive, revoked, and its keys vanish with it. Its id, in hex,
// is what a session is called. etcd rounds a time to live up to seconds, and to at least 1.5 elections (2 s by default).
import type { Etcd3, ILeaseKeepAliveResponse } from "etcd3";
import { messageOf } from "../errors.ts";
import { deadline } from "./transport.ts";

/** 16 hex digits for the 63 bits of an id. */
export function printLease(id: string): string {
  return BigInt(id).toString(16).padStart(16, "0");
}

/** The id as etcd takes it, or null: no lease is called so. */
export function leaseIdOf(printed: string): string | null {
  return /^[0-7][0-9a-f]{15}$/.test(printed) ? BigInt(`0x${printed}`).toString() : null;
}

/** `id` undefined: one of etcd's choosing. One that is there already keeps its time to live. Answers the id. */
export async function grantLease(client: Etcd3, ttlSeconds: number, id?: string): Promise<string> {
  try {
    const asked = { TTL: Math.ceil(ttlSeconds), ...(id === undefined ? {} : { ID: id }) };
    return (await client.leaseClient.leaseGrant(asked)).ID;
  } catch (error) {
    if (id === undefined || !/lease already exists/.test(messageOf(error))) throw error;
    return id;
  }
}

/** False: there is no such lease (any more). */
export async function keepLease(client: Etcd3, id: string): Promise<boolean> {
  const stream = await client.leaseClient.leaseKeepAlive({ deadline: deadline() });
  const answer = new Promise<ILeaseKeepAliveResponse>((resolve, reject) => {
    stream.on("data", resolve);
    stream.on("error", reject);
    stream.on("end", () => reject(new Error("the stream ended without an answer")));
  });
  stream.write({ ID: id });
  // Ended in good order: a cancelled stream would take the whole connection for broken.
  stream.end();
  return Number((await answer).TTL) > 0;
}

/** Idempotent. */
export async function revokeLease(client: Etcd3, id: string): Promise<void> {
  try {
    await client.leaseClient.leaseRevoke({ ID: id });
  } catch (error) {
    if (!isNoLease(error)) throw error;
  }
}

/** etcd's word for a lease that has expired, was revoked or never was. */
export function isNoLease(error: unknown): boolean {
  return /requested lease not found/.test(messageOf(error));
}
