// The contract of the lease on a real etcd.
import { describe, test } from "vitest";
import { leaseContract } from "./consul-lease.contract.ts";
import { findEtcd, startEtcdServer } from "./etcd-server.ts";

const found = await findEtcd();

if ("why" in found) {
  // Fetched from the machine's Debian archive. A machine without one runs the same contract on the embedded Consul, and this
  // says loudly that etcd was not asked.
  console.warn(`SKIPPED: the lease on etcd: ${found.why}`);
  describe.skip(`the lease on etcd: skipped, ${found.why}`, () => {
    test("needs the etcd program", () => undefined);
  });
} else {
  const { argv } = found;
  describe("on etcd", () => {
    leaseContract(() => startEtcdServer(argv));
  });
}
