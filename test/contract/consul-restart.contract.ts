// What survives the end of Consul: keys do, sessions and their locks do not, and those who were connected go on.
import { describe, expect, test } from "vitest";
import { TEST_LIMIT_MS, useConsul, watching, type StartConsul } from "./consul-fixture.ts";
import { until } from "./until.ts";

export function restartContract(start: StartConsul): void {
  describe("a restart with the data kept", { timeout: TEST_LIMIT_MS }, () => {
    const { awayCode, consul, fresh, session, server } = useConsul(start);

    test("keeps the keys and their indexes, ends the sessions and frees their locks", async () => {
      const { kv, leaser } = consul();
      const below = `${fresh()}/`;
      const { id } = await session(1);
      await kv.commit([{ do: "set", key: `${below}plain`, value: "žluť" }]);
      await kv.commit([{ do: "set", key: `${below}deleted`, value: "" }]);
      await kv.commit([{ do: "delete", key: `${below}deleted` }]);
      await kv.commit([{ do: "lock", key: `${below}locked`, value: "me", session: id }]);
      const before = await kv.list(below);
      await server().restart();
      const free = await until("the lock is free", async () => {
        const found = await kv.get(`${below}locked`, { consistent: true });
        return found?.session === null ? found : null;
      });
      expect(await leaser.renew(id)).toBe(false);
      expect(free.value).toBe("me");
      // In etcd the lock is a key of its own, and its end does not write the other one.
      const moved = server().other === undefined ? 1 : 0;
      expect(free.index).toBeGreaterThanOrEqual((before[0]?.index ?? 0) + moved);
      expect(await kv.list(below)).toEqual([free, before[1]]);
      const done = await kv.commit([{ do: "set", key: `${below}next`, value: "" }]);
      const index = done.ok ? (done.entries[0]?.index ?? 0) : 0;
      expect(index).toBeGreaterThan(free.index - 1);
    });

    test("a watch goes on through it, hears of the errors and sees what is written after", async () => {
      const { kv } = consul();
      const key = fresh();
      await kv.commit([{ do: "set", key, value: "before" }]);
      const watch = await watching(consul(), key);
      await server().restart();
      await until("a write succeeds", async () => {
        return (await kv.commit([{ do: "set", key, value: "after" }])).ok;
      });
      await until("the watch saw it", () => watch.seen.at(-1)?.[0]?.value === "after");
      await watch.stop();
      expect(watch.errors.length).toBeGreaterThan(0);
      for (const error of watch.errors) expect(error).toMatchObject({ code: awayCode() });
    });
  });
}
