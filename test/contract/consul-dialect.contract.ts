// Consul alone: the parts of its dialect that sessions and watches need and the ports do not show.
import { describe, expect, onTestFinished, test } from "vitest";
import { TEST_LIMIT_MS, useConsul, type StartConsul } from "./consul-fixture.ts";
import { until } from "./until.ts";

export function dialectContract(start: StartConsul): void {
  describe("Consul's dialect", { timeout: TEST_LIMIT_MS }, () => {
    const { consul, fresh, raw } = useConsul(start);

    async function lock(key: string, id: string): Promise<boolean> {
      const op = { do: "lock", key, value: id, session: id } as const;
      return (await consul().kv.commit([op])).ok;
    }

    test("the session's own TTL is between 10 s and a day", async () => {
      for (const TTL of ["9s", "86401s"]) {
        const answer = await raw("PUT", "session/create", JSON.stringify({ TTL }));
        expect(answer).toMatchObject({
          status: 500,
          text: expect.stringContaining("must be between [10s=24h0m0s]"),
        });
      }
    });

    test("a lock-delay keeps a lost lock from everybody, and a release does not start it", async () => {
      const key = fresh();
      const make = async (): Promise<string> => {
        const body = JSON.stringify({ LockDelay: "2s", NodeChecks: [] });
        return (JSON.parse((await raw("PUT", "session/create", body)).text) as { ID: string }).ID;
      };
      const [first, second, third] = [await make(), await make(), await make()];
      expect(await lock(key, first)).toBe(true);
      const op = { do: "unlock", key, value: "", session: first } as const;
      expect(await consul().kv.commit([op])).toMatchObject({ ok: true });
      expect(await lock(key, second)).toBe(true);
      await consul().leaser.destroy(second);
      const lockOp = { do: "lock", key, value: "", session: third } as const;
      expect(await consul().kv.commit([lockOp])).toMatchObject({
        ok: false,
        why: expect.stringContaining("lock delay"),
      });
      expect((await raw("PUT", `kv/${key}?acquire=${third}`, "")).text.trim()).toBe("false");
      await until("the delay is over", () => lock(key, third));
    });

    test("a session that deletes takes its keys with it", async () => {
      const key = fresh();
      const body = JSON.stringify({ Behavior: "delete", LockDelay: "0s", NodeChecks: [] });
      const { ID } = JSON.parse((await raw("PUT", "session/create", body)).text) as { ID: string };
      expect(await lock(key, ID)).toBe(true);
      await consul().leaser.destroy(ID);
      expect(await consul().kv.get(key)).toBeNull();
    });

    test("a node's stale service can be taken out of the catalog", async () => {
      const name = fresh();
      const node = `${name}-node`;
      const check = { Name: "c", CheckID: `service:${name}`, ServiceID: name, Status: "passing" };
      const service = { ID: name, Service: name, Port: 1 };
      const body = { Node: node, Address: "10.0.0.9", Service: service, Check: check };
      await raw("PUT", "catalog/register", JSON.stringify(body));
      const found = await consul().directory.instances(name, { consistent: true });
      expect(found).toMatchObject([{ id: name, address: "10.0.0.9", status: "passing" }]);
      await raw("PUT", "catalog/deregister", JSON.stringify({ Node: node, ServiceID: name }));
      expect(await consul().directory.instances(name, { consistent: true })).toEqual([]);
    });

    test("a watch of a datacenter that does not exist says so, and ends when it is told to", async () => {
      const abort = new AbortController();
      const errors: unknown[] = [];
      const ended = consul().directory.watch(
        { service: fresh(), dc: "nowhere" },
        {
          signal: abort.signal,
          onChange: () => errors.push("a change"),
          onError: (error) => errors.push(error),
        },
      );
      onTestFinished(() => abort.abort());
      await until("it was told", () => errors.length > 0);
      expect(errors[0]).toMatchObject({
        code: "AP_CONSUL_UNREACHABLE",
        message: expect.stringContaining("No path to datacenter"),
      });
      abort.abort();
      await ended;
    });
  });
}
