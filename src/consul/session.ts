// The Leaser port on Consul. A session here never depends on the node's gossip health (serfHealth: one lost packet
// would cost a lock), only on its service's TTL check and its own TTL, and its keys can be locked again at once.
import type { Leaser } from "../ports.ts";
import { checkIdOf } from "./directory.ts";
import { rawPut } from "./raw-put.ts";
import { answerOf, type Transport } from "./transport.ts";

/** The body of session/create (PROTOCOL.md §3). */
export function sessionBody(name: string, serviceId: string, ttlSeconds: number): object {
  return {
    Name: name,
    TTL: `${ttlSeconds}s`,
    LockDelay: "0s",
    Behavior: "release",
    NodeChecks: [],
    ServiceChecks: [{ ID: checkIdOf(serviceId) }],
  };
}

export function createLeaser(transport: Transport): Leaser {
  return {
    open: async ({ name, serviceId, ttlSeconds }) => {
      const made = await transport.call(`open a session for ${serviceId}`, (client) =>
        // Its own session.create drops NodeChecks and ServiceChecks.
        rawPut(client, "/session/create", sessionBody(name, serviceId, ttlSeconds)),
      );
      return (made as { readonly ID: string }).ID;
    },
    renew: (session) =>
      transport.call("renew the session", async (client) => {
        try {
          await client.session.renew(session);
          return true;
        } catch (error) {
          if (answerOf(error)?.statusCode !== 404) throw error;
          return false;
        }
      }),
    destroy: async (session) => {
      await transport.call("destroy a session", (client) => client.session.destroy(session));
    },
  };
}
