// The Directory port on Consul: this agent's own services, and everybody's instances. A service's one check is the TTL
// check `service:<id>`; what was registered is in the catalog some milliseconds later, when the agent has told the
// servers.
import { ConflictError } from "../errors.ts";
import type { Directory, Instance, Registration, Service } from "../ports.ts";
import { watchInstances, watchNames } from "./directory-watch.ts";
import { instancesOf } from "./instance.ts";
import { rawPut } from "./raw-put.ts";
import { answerOf, type Transport } from "./transport.ts";

type Status = Instance["status"];

/** The id of a service's TTL check. */
export function checkIdOf(serviceId: string): string {
  return `service:${serviceId}`;
}

export function createDirectory(transport: Transport): Directory {
  return {
    register: (service, ttlSeconds, more = {}) =>
      register(transport, { service, ttlSeconds, more }),
    async deregister(id) {
      await transport.call(`deregister service ${id}`, async (client) => {
        try {
          await client.agent.service.deregister(id);
        } catch (error) {
          // Later Consuls say so when there is no such service; 1.8 does not.
          if (answerOf(error)?.statusCode !== 404) throw error;
        }
      });
    },
    report: (id, status, note) => report(transport, id, status, note),
    async instances(name, { passing = false, consistent = false } = {}) {
      const options = { service: name, passing, ...(consistent ? { consistent } : {}) };
      const found = await transport.call(`instances of ${name}`, (client) =>
        client.health.service(options),
      );
      return instancesOf(found);
    },
    watch: (selector, watcher) => watchInstances(transport, selector, watcher),
    watchNames: (watcher) => watchNames(transport, watcher),
  };
}

type Wish = {
  readonly service: Service;
  readonly ttlSeconds: number | null;
  readonly more: Registration;
};

async function register(transport: Transport, { service, ttlSeconds, more }: Wish): Promise<void> {
  const what = `register service ${service.id}`;
  if (more.enableTagOverride === true) {
    const body = bodyOf({ service, ttlSeconds, more });
    await transport.call(what, (client) => rawPut(client, "/agent/service/register", body));
    return;
  }
  const { id, name, address, port, tags, meta } = service;
  const options = { id, name, address, port, tags: [...tags], meta: { ...meta } };
  const check = {
    name: `Service '${name}' check`,
    checkid: checkIdOf(id),
    ttl: `${ttlSeconds}s`,
    // Only the declarations of the package want one.
    timeout: "",
    ...(more.status === undefined ? {} : { status: more.status }),
    ...(more.dropAfter === undefined ? {} : { deregistercriticalserviceafter: more.dropAfter }),
  };
  await transport.call(what, (client) =>
    client.agent.service.register(ttlSeconds === null ? options : { ...options, check }),
  );
}

/** The same in Consul's own words: the package does not know EnableTagOverride. */
function bodyOf({ service, ttlSeconds, more }: Wish): object {
  const { id, name, address, port, tags, meta } = service;
  const check = {
    Name: `Service '${name}' check`,
    CheckID: checkIdOf(id),
    TTL: `${ttlSeconds}s`,
    ...(more.status === undefined ? {} : { Status: more.status }),
    ...(more.dropAfter === undefined ? {} : { DeregisterCriticalServiceAfter: more.dropAfter }),
  };
  return {
    ID: id,
    Name: name,
    Address: address,
    Port: port,
    Tags: tags,
    Meta: meta,
    EnableTagOverride: true,
    ...(ttlSeconds === null ? {} : { Check: check }),
  };
}

async function report(
  transport: Transport,
  id: string,
  status: Status,
  note: string,
): Promise<void> {
  const options = { id: checkIdOf(id), note };
  await transport.call(`report ${status} for service ${id}`, async (client) => {
    const { check } = client.agent;
    try {
      if (status === "passing") await check.pass(options);
      else if (status === "warning") await check.warn(options);
      else await check.fail(options);
    } catch (error) {
      if (!isUnknownCheck(error)) throw error;
      const why = `consul at ${transport.address()} does not know the check of service ${id}`;
      throw new ConflictError("AP_CONSUL_UNREACHABLE", why, { hint: "register the service again" });
    }
  });
}

/** 1.8 answers 500 with this text, later Consuls 404. */
function isUnknownCheck(error: unknown): boolean {
  const answer = answerOf(error);
  return (
    answer?.statusCode === 404 || (answer?.text.includes("does not have associated TTL") ?? false)
  );
}
