// The Consul contract: one suite for the embedded development agent and for the real thing. Where they differ, the
// development agent is wrong.
import { describe } from "vitest";
import { kvContract } from "./consul-kv.contract.ts";
import { leaseContract } from "./consul-lease.contract.ts";
import { restartContract } from "./consul-restart.contract.ts";
import { sessionsContract } from "./consul-sessions.contract.ts";
import { watchesContract } from "./consul-watches.contract.ts";
import type { StartConsul } from "./consul-fixture.ts";

export type { ConsulUnderTest, StartConsul } from "./consul-fixture.ts";

/** Each part starts a server of its own. */
export function consulContract(name: string, start: StartConsul): void {
  describe(`Consul contract on ${name}`, () => {
    kvContract(start);
    sessionsContract(start);
    restartContract(start);
    leaseContract(start);
    watchesContract(start);
  });
}
