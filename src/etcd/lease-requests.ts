// Each of the lease's calls as requests to etcd, and etcd's answer in the words of core/lease.ts. The session is a lease
// of its own beside the check's, of the check's TTL, renewed every 2 s by the same thread: it ends when the thread does,
// or when somebody revokes it. All endpoints lead to the same members, so that moving to another costs nothing.
import { hostname } from "node:os";
import type { LeaseAnswer, LeaseCall } from "../core/lease.ts";
import { ConfigError, messageOf } from "../errors.ts";
import type { LeaseStore, LeaseTarget } from "../lease/keeper.ts";
import type { EtcdConfig } from "./config.ts";
import { registerService, forgetService } from "./directory.ts";
import { lockOf, sessionKey } from "./keys.ts";
import { isNoLease, keepLease, leaseIdOf } from "./leases.ts";
import { checkLease, readService, type Place } from "./service-record.ts";
import { destroySession, openSession, renewSession } from "./sessions.ts";
import { createTransport, type Transport } from "./transport.ts";

type Parts = {
  readonly transport: Transport;
  readonly config: EtcdConfig;
  readonly place: Place;
  readonly target: LeaseTarget;
};

export function etcdLeaseStore(config: EtcdConfig): LeaseStore & { close(): void } {
  const transport = createTransport(config);
  const place = { prefix: config.prefix, node: hostname() };
  return {
    addresses: 1,
    close: transport.close,
    async perform(call, target) {
      try {
        return await perform(call, { transport, config, place, target });
      } catch (error) {
        const why = messageOf(error);
        if (error instanceof ConfigError) return failed("denied", `AP_ETCD_DENIED: ${why}`);
        return failed("unreachable", why);
      }
    },
  };
}

async function perform(call: LeaseCall, parts: Parts): Promise<LeaseAnswer> {
  const { transport, config, place, target } = parts;
  const { service } = target;
  const ttl = target.checkTtlMs / 1000;
  switch (call.do) {
    case "register":
      // A session cannot be had for a critical check, and the first pass follows at once.
      await registerService(transport, place, service, { ttl, status: "passing" });
      return { ok: true };
    case "pass":
      return pass(parts, ttl);
    case "open": {
      const record = { name: service.id, node: place.node, service: service.id };
      return { ok: true, session: await openSession(transport, config, record, ttl) };
    }
    case "destroy":
      await destroySession(transport, call.session);
      return { ok: true };
    case "renew": {
      const lives = await renewSession(transport, call.session);
      if (!lives) return failed("no-session", `etcd: session ${call.session} has ended`);
      return { ok: true, node: place.node };
    }
    case "acquire":
      return call.first ? take(parts, call.session) : prove(parts, call.session);
    case "uncatalog":
    case "forget": {
      const found = await readService(transport, place, service);
      if (found !== null) await forgetService(transport, config, place, found);
      return { ok: true };
    }
  }
}

async function pass({ transport, place, target }: Parts, ttl: number): Promise<LeaseAnswer> {
  const { id } = target.service;
  const lease = checkLease(place, id, ttl);
  const lives = await transport.call(`pass the check of ${id}`, (client) =>
    keepLease(client, lease),
  );
  return lives ? { ok: true } : failed("no-check", `etcd: the check of ${id} has expired`);
}

/** The key and its lock in one transaction, where nobody holds it; what is ours already is not written again. */
async function take({ transport, config, target }: Parts, session: string): Promise<LeaseAnswer> {
  const { key: name, value } = target.key ?? { key: "", value: "" };
  const [key, lock] = [Buffer.from(name), Buffer.from(lockOf(name))];
  const alive = Buffer.from(sessionKey(config.prefix, session));
  const lease = leaseIdOf(session) ?? "0";
  return transport.call(`take ${name}`, async (client): Promise<LeaseAnswer> => {
    try {
      const { succeeded, responses } = await client.kv.txn({
        compare: [
          { key: lock, target: "Create", result: "Equal", create_revision: 0 },
          { key: alive, target: "Create", result: "Greater", create_revision: 0 },
        ],
        success: [
          { request_put: { key, value: Buffer.from(value) } },
          { request_put: { key: lock, value: Buffer.from(session), lease } },
        ],
        failure: [{ request_range: { key: lock } }, { request_range: { key: alive } }],
      });
      if (succeeded) return { ok: true };
      const [holder, lives] = responses.map((it) => it.response_range.kvs[0]);
      if (lives === undefined) return failed("no-session", `etcd: session ${session} has ended`);
      if (holder?.value.toString() === session) return { ok: true };
      return failed("not-held", `etcd: take ${name}: the key is held by another session`);
    } catch (error) {
      if (isNoLease(error)) return failed("no-session", `etcd: session ${session} has ended`);
      throw error;
    }
  });
}

/** Linearizable; and it can neither take the key back nor touch its value. */
async function prove({ transport, target }: Parts, session: string): Promise<LeaseAnswer> {
  const name = target.key?.key ?? "";
  const key = Buffer.from(lockOf(name));
  const { kvs } = await transport.call(`prove ${name}`, (client) => client.kv.range({ key }));
  if (kvs[0]?.value.toString() === session) return { ok: true };
  const why = kvs.length === 0 ? "nobody holds it" : "the key is held by another session";
  return failed("not-held", `etcd: prove ${name}: ${why}`);
}

function failed(because: Extract<LeaseAnswer, { ok: false }>["because"], why: string): LeaseAnswer {
  return { ok: false, because, why };
}
