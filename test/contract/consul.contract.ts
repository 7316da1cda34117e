// The contract of stores: one suite for the embedded development agent, for the real Consul and for etcd. Where the
// development agent and Consul differ, the agent is wrong.
import { describe } from "vitest";
import { addressesContract } from "./consul-addresses.contract.ts";
import { checksContract } from "./checks.contract.ts";
import { dialectContract } from "./consul-dialect.contract.ts";
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
    storeContract(start);
    leaseContract(start);
    addressesContract(start);
    checksContract(start);
    dialectContract(start);
  });
}

/** What every store promises, but for the lease, whose tests wait for most of their time: a file of its own where it can. */
export function storeContract(start: StartConsul): void {
  kvContract(start);
  sessionsContract(start);
  restartContract(start);
  watchesContract(start);
}
