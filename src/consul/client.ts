// The face of Consul to everything else: three ports over one set of addresses. Nothing is connected before it is
// used, and nothing is retried: a lost answer is an UnavailableError, and only the caller knows what that means.
import type { Directory, Kv, Leaser } from "../ports.ts";
import type { ConsulConfig } from "./config.ts";
import { createDirectory } from "./directory.ts";
import { createKv } from "./kv.ts";
import { createLeaser } from "./session.ts";
import { createTransport } from "./transport.ts";

export { consulAt, consulFromEnv, onlyAddress, printAddress, type ConsulConfig } from "./config.ts";

export type Consul = {
  readonly kv: Kv;
  readonly directory: Directory;
  readonly leaser: Leaser;
  /** The address that the next call goes to; without a token. */
  address(): string;
  /** The Raft leader's address, or null while there is none. Errors: UnavailableError. */
  leader(): Promise<string | null>;
  /** Closes idle connections; running watches end with their own signals. */
  close(): void;
};

/**
 * Speaks to the first address; after a failure to reach it the next call goes to the next one. What is registered
 * through `directory` lives on the agent of that moment: bind it to one agent with `onlyAddress`.
 */
export function connect(config: ConsulConfig): Consul {
  const transport = createTransport(config);
  return {
    kv: createKv(transport),
    directory: createDirectory(transport),
    leaser: createLeaser(transport),
    address: transport.address,
    leader: async () =>
      (await transport.call("status leader", (client) => client.status.leader())) || null,
    close: transport.close,
  };
}
