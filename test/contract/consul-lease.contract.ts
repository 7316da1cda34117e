// The Lease port end to end, with its real thread: a session bound to the check, a key held and proven, and every way
// to lose either.
import { describe, expect, test } from "vitest";
import { monotonicMs } from "../../src/lease/cell.ts";
import { serviceOf, TEST_LIMIT_MS, useConsul, type StartConsul } from "./consul-fixture.ts";
import { good, held, keepTicking } from "./leasing.ts";
import { until } from "./until.ts";

export function leaseContract(start: StartConsul): void {
  describe("the lease", { timeout: TEST_LIMIT_MS }, () => {
    const { consul, fresh, session, server, startLease } = useConsul(start);

    /** A lease whose main loop ticks until the test ends or calls `pause`. */
    async function leased() {
      const service = serviceOf(fresh());
      const changes = { count: 0 };
      const lease = await startLease({ service, onChange: () => void changes.count++ });
      return { lease, service, changes, pause: keepTicking(lease) };
    }

    const holder = async (key: string) => (await consul().kv.get(key))?.session ?? null;

    test("opens a session that falls with its service's check, and says so", async () => {
      const { lease, service, changes } = await leased();
      const id = await good(lease);
      expect(changes.count).toBeGreaterThan(0);
      expect(lease.view()).toMatchObject({ session: id, heldUntil: null });
      // Never beyond the check's TTL, less the margin, from now.
      expect(lease.view().goodUntil - monotonicMs()).toBeLessThanOrEqual(4500);
      const [found] = await until("it is in the catalog", async () => {
        const list = await consul().directory.instances(service.name, { passing: true });
        return list.length > 0 ? list : null;
      });
      expect(found).toEqual({ ...service, node: expect.any(String), status: "passing" });
      expect(await consul().leaser.renew(id)).toBe(true);
      await consul().directory.deregister(service.id);
      await until("the session fell", async () => !(await consul().leaser.renew(id)));
    });

    test("holds a key, keeps its value, and moves the deadline on without touching the key", async () => {
      const { lease } = await leased();
      const id = await good(lease);
      const key = fresh();
      await lease.hold({ key, value: "žluť 1" });
      await held(lease);
      const entry = await consul().kv.get(key);
      expect(entry).toMatchObject({ value: "žluť 1", session: id });
      const first = lease.view().heldUntil ?? 0;
      await until("it was proven again, twice", () => (lease.view().heldUntil ?? 0) > first + 3000);
      expect(await consul().kv.get(key)).toEqual(entry);
    });

    test("a key that is another's is not held, and asking again tries again", async () => {
      const key = fresh();
      const other = await session();
      await consul().kv.commit([{ do: "lock", key, value: "theirs", session: other.id }]);
      const { lease } = await leased();
      await good(lease);
      await lease.hold({ key, value: "mine" });
      await until("the lease says why", () => lease.view().error?.includes("another session"));
      expect(lease.view().heldUntil).toBeNull();
      await consul().leaser.destroy(other.id);
      await lease.hold({ key, value: "mine" });
      await held(lease);
      expect(await consul().kv.get(key)).toMatchObject({ value: "mine" });
    });

    test("tells at once when the held key was released or taken, and leaves it alone then", async () => {
      const { lease, changes } = await leased();
      const id = await good(lease);
      const key = fresh();
      await lease.hold({ key, value: "mine" });
      await held(lease);
      const before = changes.count;
      await consul().kv.commit([{ do: "unlock", key, value: "free", session: id }]);
      await until("the loss is seen", () => lease.view().heldUntil === null);
      // The belief is in shared memory at once, the word of it comes by message.
      await until("it is told", () => changes.count > before);
      expect(lease.view().session).toBe(id);
      const renewed = lease.view().goodUntil;
      await until("two more renewals", () => lease.view().goodUntil > renewed + 3000);
      expect(await consul().kv.get(key)).toMatchObject({ value: "free", session: null });
    });

    test("after hold(null) a release stays released", async () => {
      const { lease } = await leased();
      const id = await good(lease);
      const key = fresh();
      await lease.hold({ key, value: "mine" });
      await lease.hold(null);
      await consul().kv.commit([{ do: "unlock", key, value: "free", session: id }]);
      const renewed = lease.view().goodUntil;
      await until("a renewal later", () => lease.view().goodUntil > renewed + 1000);
      expect(lease.view().heldUntil).toBeNull();
      expect(await holder(key)).toBeNull();
    });

    test("a destroyed session is replaced, and the key is left alone until it is asked for again", async () => {
      const { lease } = await leased();
      const id = await good(lease);
      const key = fresh();
      await lease.hold({ key, value: "mine" });
      await held(lease);
      await consul().leaser.destroy(id);
      const next = await good(lease, id);
      expect(lease.view().heldUntil).toBeNull();
      expect(await holder(key)).toBeNull();
      await lease.hold({ key, value: "mine" });
      await held(lease);
      expect(await holder(key)).toBe(next);
    });

    test("a service that the agent has forgotten is registered again, with a new session", async () => {
      const { lease, service } = await leased();
      const id = await good(lease);
      await consul().directory.deregister(service.id);
      await good(lease, id);
      await until("it is found again", async () => {
        return (await consul().directory.instances(service.name, { passing: true }))[0];
      });
    });

    test("a main loop that stops ticking loses the session, and gets a new one when it ticks again", async () => {
      const { lease, pause } = await leased();
      const id = await good(lease);
      const key = fresh();
      await lease.hold({ key, value: "mine" });
      await held(lease);
      pause();
      await until("the lock is free", async () => (await holder(key)) === null);
      expect(await consul().leaser.renew(id)).toBe(false);
      expect(lease.view().heldUntil ?? 0).toBeLessThan(monotonicMs());
      lease.tick();
      await good(lease, id);
      await lease.hold({ key, value: "mine" });
      await held(lease);
    });

    test("what it announces is in the catalog, and its session stays", async () => {
      const { lease, service } = await leased();
      const id = await good(lease);
      lease.announce({ tags: ["primary"], meta: { epoch: "3" } });
      await until("the catalog has it", async () => {
        const [found] = await consul().directory.instances(service.name, { passing: true });
        return found?.tags[0] === "primary" && found.meta["epoch"] === "3";
      });
      expect(lease.view().session).toBe(id);
    });

    test("an end gives everything back", async () => {
      const { lease, service } = await leased();
      const id = await good(lease);
      const key = fresh();
      await lease.hold({ key, value: "mine" });
      await held(lease);
      await lease[Symbol.asyncDispose]();
      expect(lease.view()).toMatchObject({ session: null, heldUntil: null });
      expect(await holder(key)).toBeNull();
      expect(await consul().leaser.renew(id)).toBe(false);
      await until("the service is gone", async () => {
        return (await consul().directory.instances(service.name)).length === 0;
      });
    });

    test("a restarted agent costs the key only with the session", async () => {
      const { lease } = await leased();
      const id = await good(lease);
      const key = fresh();
      await lease.hold({ key, value: "mine" });
      await held(lease);
      await server().restart();
      // A real agent keeps the session when its check is passed again in time; one that was away for longer does not.
      const restarted = monotonicMs();
      await until("the session is proven anew", () => lease.view().goodUntil > restarted + 4500);
      if (lease.view().session !== id) await lease.hold({ key, value: "mine" });
      await until("the key is proven anew", () => {
        return (lease.view().heldUntil ?? 0) > restarted + 4500;
      });
      expect(await holder(key)).toBe(lease.view().session);
    });
  });
}
