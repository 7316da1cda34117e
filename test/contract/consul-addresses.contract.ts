// Consul alone: a lease among several agents, of which each knows what was registered with it.
import { describe, expect, test } from "vitest";
import { consulAt, type ConsulConfig } from "../../src/consul/client.ts";
import { startLease } from "../../src/consul/lease.ts";
import { monotonicMs } from "../../src/lease/cell.ts";
import { serviceOf, TEST_LIMIT_MS, useConsul, type StartConsul } from "./consul-fixture.ts";
import { startDetour } from "./detour.ts";
import { good, held, keepTicking } from "./leasing.ts";
import { until } from "./until.ts";

export function addressesContract(start: StartConsul): void {
  describe("the lease among several agents", { timeout: TEST_LIMIT_MS }, () => {
    const { consul, fresh, server } = useConsul(start);

    async function leased(config: ConsulConfig) {
      const service = serviceOf(fresh());
      const lease = await startLease({ config, service, onChange: () => undefined });
      keepTicking(lease);
      return { lease, service };
    }

    const holder = async (key: string) => (await consul().kv.get(key))?.session ?? null;

    test("starts without Consul, says why, and moves on to the address that answers", async () => {
      // Port 1 refuses at once, as a stopped agent does.
      const config = consulAt(`127.0.0.1:1,${server().url}`);
      const { lease } = await leased(config);
      expect(lease.view().session).toBeNull();
      await good(lease);
      expect(lease.view().error).toBeNull();
      const { lease: alone } = await leased(consulAt("127.0.0.1:1"));
      await until("it says why", () => alone.view().error?.includes("ECONNREFUSED"));
      expect(alone.view()).toMatchObject({ session: null, heldUntil: null });
    });

    test.each(["refuses", "hangs"] as const)(
      "moves to the next address when the present one %s, and keeps its service; the key is asked for again",
      async (how) => {
        await using first = await startDetour(server().url);
        const { lease, service } = await leased(consulAt(`${first.url},${server().url}`));
        const id = await good(lease);
        const key = fresh();
        await lease.hold({ key, value: "mine" });
        await held(lease);
        await until("Consul's name of the node is known", () => {
          return lease.view().goodUntil > monotonicMs() + 4000;
        });
        await first.break(how);
        const next = await good(lease, id);
        await until("the old session is gone", async () => !(await consul().leaser.renew(id)));
        await lease.hold({ key, value: "mine" });
        await held(lease);
        expect(await holder(key)).toBe(next);
        // Both addresses lead to one agent: what was registered there is not stale.
        const moved = lease.view().goodUntil;
        await until("two more renewals", () => lease.view().goodUntil > moved + 3000);
        expect(lease.view().session).toBe(next);
        expect(await consul().directory.instances(service.name, { passing: true })).toHaveLength(1);
      },
    );
  });
}
