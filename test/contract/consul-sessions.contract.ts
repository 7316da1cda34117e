// The Leaser and Directory ports: sessions that fall with their check, locks that come free with them, and what others
// find in the catalogue.
import { describe, expect, test } from "vitest";
import {
  serviceOf,
  TEST_LIMIT_MS,
  useConsul,
  watching,
  type StartConsul,
} from "./consul-fixture.ts";
import { until } from "./until.ts";

export function sessionsContract(start: StartConsul): void {
  describe("sessions and services", { timeout: TEST_LIMIT_MS }, () => {
    const { consul, fresh, session } = useConsul(start);

    async function lock(key: string, id: string): Promise<boolean> {
      const op = { do: "lock", key, value: id, session: id } as const;
      return (await consul().kv.commit([op])).ok;
    }

    const holder = async (key: string) => (await consul().kv.get(key))?.session ?? null;

    test("a session renews while it lives and says so when it is gone", async () => {
      const { leaser } = consul();
      const { id } = await session();
      expect(await leaser.renew(id)).toBe(true);
      await leaser.destroy(id);
      expect(await leaser.renew(id)).toBe(false);
      await leaser.destroy(id);
    });

    test("destroying another's session frees its lock, and it can be taken at once", async () => {
      const key = fresh();
      const [mine, other] = [await session(), await session()];
      expect(await lock(key, mine.id)).toBe(true);
      expect(await lock(key, other.id)).toBe(false);
      await consul().leaser.destroy(mine.id);
      expect(await lock(key, other.id)).toBe(true);
      expect(await holder(key)).toBe(other.id);
    });

    test("a session falls when its check is not passed in time; its lock is free and the watch wakes", async () => {
      const key = fresh();
      const { id } = await session(1);
      expect(await lock(key, id)).toBe(true);
      const watch = await watching(consul(), key);
      await until("the watch saw the release", () => watch.seen.at(-1)?.[0]?.session === null);
      await watch.stop();
      expect(await consul().leaser.renew(id)).toBe(false);
      const next = await session();
      expect(await lock(key, next.id)).toBe(true);
    });

    test("a session falls when its check is reported critical, or its service is deregistered", async () => {
      const { directory, leaser } = consul();
      const [failing, leaving] = [await session(), await session()];
      await directory.report(failing.service.id, "critical", "drill");
      await directory.deregister(leaving.service.id);
      for (const { id } of [failing, leaving])
        await until("the session is gone", async () => !(await leaser.renew(id)));
    });

    test("a warning does not cost the session", async () => {
      const { service, id } = await session();
      await consul().directory.report(service.id, "warning", "drill");
      await until("the warning is in the catalog", async () => {
        const [found] = await consul().directory.instances(service.name);
        return found?.status === "warning";
      });
      expect(await consul().leaser.renew(id)).toBe(true);
    });

    test("no session for a check that is critical or unknown", async () => {
      const { directory, leaser } = consul();
      const service = serviceOf(fresh());
      const wanted = { name: "x", serviceId: service.id, ttlSeconds: 10 };
      await expect(leaser.open(wanted)).rejects.toMatchObject({
        message: expect.stringContaining("Missing check"),
      });
      await directory.register(service, 60);
      await until("the critical check is refused", async () => {
        const failure = await leaser.open(wanted).catch((error: unknown) => error);
        return String(failure).includes("critical state");
      });
    });

    test("a service is found with its address, port, tags and meta, critical until its check passes", async () => {
      const { directory } = consul();
      const service = { ...serviceOf(fresh()), tags: ["primary"], meta: { epoch: "7" } };
      await directory.register(service, 60);
      const found = await until("it is in the catalog", async () => {
        return (await directory.instances(service.name))[0];
      });
      expect(found).toEqual({ ...service, node: expect.any(String), status: "critical" });
      expect(await directory.instances(service.name, { passing: true })).toEqual([]);
      await directory.report(service.id, "passing", "");
      await until("it passes", async () => {
        return (await directory.instances(service.name, { passing: true })).length === 1;
      });
    });

    test("registering again replaces the tags and keeps the check's status", async () => {
      const { directory } = consul();
      const service = serviceOf(fresh());
      await directory.register({ ...service, tags: ["replica"] }, 60);
      await directory.report(service.id, "passing", "");
      await until(
        "it passes",
        async () => (await directory.instances(service.name, { passing: true }))[0],
      );
      await directory.register({ ...service, tags: ["primary"] }, 60);
      await until("the new tags are in the catalog", async () => {
        const [found] = await directory.instances(service.name, { passing: true });
        return found?.tags[0] === "primary";
      });
    });

    test("a service without a check is passing, and a consistent read finds it", async () => {
      const { directory } = consul();
      const service = serviceOf(fresh());
      await directory.register(service, null);
      await until("it is in the catalog", async () => {
        return (await directory.instances(service.name, { passing: true, consistent: true }))[0];
      });
    });

    test("a deregistered service is gone, deregistering it again is no failure", async () => {
      const { directory } = consul();
      const service = serviceOf(fresh());
      await directory.register(service, 60);
      await until("it is there", async () => (await directory.instances(service.name))[0]);
      await directory.deregister(service.id);
      await until("it is gone", async () => (await directory.instances(service.name)).length === 0);
      await directory.deregister(service.id);
    });

    test("reporting for a service that the agent does not know is a conflict", async () => {
      const failure = consul().directory.report(fresh(), "passing", "");
      await expect(failure).rejects.toMatchObject({ name: "ConflictError" });
    });
  });
}
