// The Leaser port on Consul. A session here never depends on the node's gossip health (serfHealth: one lost packet
// would cost a lock), only on its service's TTL check and its own TTL, and its keys can be locked again at once.
import type { Leaser } from "../ports.ts";
import { checkIdOf } from "./directory.ts";
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

/** The request that the package is made of: its own session.create drops NodeChecks and ServiceChecks (2.0.1). */
type Putter = {
  _put(
    request: { name: string; path: string; type: "json"; body: object; headers: object },
    done: (request: PutState, next: (stop: false, error?: Error, value?: unknown) => void) => void,
  ): Promise<unknown>;
  readonly _defaults?: { readonly token?: string };
};
type PutState = { readonly err?: Error; readonly res: { readonly body?: unknown } };

export function createLeaser(transport: Transport): Leaser {
  return {
    open: async ({ name, serviceId, ttlSeconds }) => {
      const made = await transport.call(`open a session for ${serviceId}`, (client) => {
        const putter = client as unknown as Putter;
        const token = putter._defaults?.token;
        return putter._put(
          {
            name: "session.create",
            path: "/session/create",
            type: "json",
            body: sessionBody(name, serviceId, ttlSeconds),
            headers: token === undefined ? {} : { "x-consul-token": token },
          },
          (request, next) => next(false, request.err, request.res?.body),
        );
      });
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
