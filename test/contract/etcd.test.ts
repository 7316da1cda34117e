// The contract of stores on a real etcd.
import { describe, test } from "vitest";
import { storeContract } from "./consul.contract.ts";
import { findEtcd, startEtcdServer } from "./etcd-server.ts";

const found = await findEtcd();

if ("why" in found) {
  // Fetched from the machine's Debian archive. A machine without one runs the same contract on the embedded Consul, and this
  // says loudly that etcd was not asked.
  console.warn(`SKIPPED: the contract on etcd: ${found.why}`);
  describe.skip(`the contract of stores on etcd: skipped, ${found.why}`, () => {
    test("needs the etcd program", () => undefined);
  });
} else {
  const { argv } = found;
  describe("the contract of stores on etcd", () => {
    storeContract(() => startEtcdServer(argv));
  });
}
