// What etcd alone can show: races between the two halves of a commit, several endpoints, users, a full database, a
// compaction, and members that have lost their majority.
import { Etcd3 } from "etcd3";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { connectEtcd, type Etcd } from "../../src/etcd/client.ts";
import { etcdFrom, type EtcdConfig } from "../../src/etcd/config.ts";
import { createKv } from "../../src/etcd/kv.ts";
import { startEtcdLease } from "../../src/etcd/lease.ts";
import { createTransport, type Transport } from "../../src/etcd/transport.ts";
import { monotonicMs } from "../../src/lease/cell.ts";
import { serviceOf, START_LIMIT_MS, TEST_LIMIT_MS, watching } from "./consul-fixture.ts";
import { startDetour } from "./detour.ts";
import { findEtcd, startEtcdMembers, startEtcdServer, type EtcdUnderTest } from "./etcd-server.ts";
import { good, held, keepTicking } from "./leasing.ts";
import { until } from "./until.ts";

const found = await findEtcd();

if ("why" in found) {
  // Fetched from the machine's Debian archive. What only etcd can show is then not shown, and this
  // says loudly that etcd was not asked.
  console.warn(`SKIPPED: what etcd alone can show: ${found.why}`);
  describe.skip(`etcd alone: skipped, ${found.why}`, () => {
    test("needs the etcd program", () => undefined);
  });
} else {
  const { argv } = found;
  describe("etcd alone", { timeout: TEST_LIMIT_MS }, () => {
    let server: EtcdUnderTest;
    let etcd: Etcd;
    let names = 0;
    const fresh = (): string => `alone-${++names}`;

    beforeAll(async () => {
      server = await startEtcdServer(argv);
      etcd = connectEtcd(server.config);
    }, START_LIMIT_MS);
    afterAll(async () => {
      etcd.close();
      await server[Symbol.asyncDispose]();
    });

    async function session(of = etcd): Promise<string> {
      const service = serviceOf(fresh());
      await of.directory.register(service, 60);
      await of.directory.report(service.id, "passing", "");
      return of.leaser.open({ name: "race", serviceId: service.id, ttlSeconds: 60 });
    }

    /** A Kv whose commits meet `between` after they have read and before they write. */
    function interrupted(between: () => Promise<unknown>) {
      const inner = createTransport(server.config);
      onTestFinished(inner.close);
      const transport: Transport = {
        ...inner,
        async call(what, request) {
          if (what === "transaction") await between();
          return inner.call(what, request);
        },
      };
      return createKv(transport, server.config);
    }

    test("a session that ends between the look and the write costs the write (PROTOCOL §1)", async () => {
      const [leader, state] = [fresh(), fresh()];
      const id = await session();
      await etcd.kv.commit([{ do: "lock", key: leader, value: "me", session: id }]);
      const done = await interrupted(() => etcd.leaser.destroy(id)).commit([
        { do: "check-session", key: leader, session: id },
        { do: "set", key: state, value: "mine" },
      ]);
      expect(done).toMatchObject({ ok: false, why: expect.stringContaining("session check") });
      expect(await etcd.kv.get(state)).toBeNull();
    });

    test("a key that is written between the look and the write is looked at again", async () => {
      const key = fresh();
      await etcd.kv.commit([{ do: "set", key, value: "one" }]);
      const index = (await etcd.kv.get(key))?.index ?? 0;
      const other = () => etcd.kv.commit([{ do: "set", key, value: "other" }]);
      const cas = await interrupted(other).commit([{ do: "cas", key, value: "mine", index }]);
      expect(cas).toMatchObject({ ok: false, why: expect.stringContaining("stale") });
      expect((await etcd.kv.get(key))?.value).toBe("other");
    });

    test("a lock that another takes between the look and the write is not taken", async () => {
      const key = fresh();
      const [mine, other] = [await session(), await session()];
      const take = (id: string) => ({ do: "lock", key, value: id, session: id }) as const;
      const done = await interrupted(() => etcd.kv.commit([take(other)])).commit([take(mine)]);
      expect(done).toMatchObject({ ok: false, why: expect.stringContaining("already held") });
      expect(await etcd.kv.get(key)).toMatchObject({ value: other, session: other });
    });

    test("what is put below a tree while it is deleted goes with it, or the tree is looked at again", async () => {
      const below = `${fresh()}/`;
      for (const name of ["a", "b"])
        await etcd.kv.commit([{ do: "set", key: below + name, value: "" }]);
      let once = true;
      const add = async (): Promise<void> => {
        if (once) await etcd.kv.commit([{ do: "set", key: `${below}c`, value: "" }]);
        once = false;
      };
      const ops = [
        { do: "delete-tree", key: below },
        { do: "set", key: `${below}new`, value: "" },
      ] as const;
      expect(await interrupted(add).commit(ops)).toMatchObject({ ok: true });
      expect((await etcd.kv.list(below)).map(({ key }) => key)).toEqual([`${below}new`]);
    });

    test("a tree of any size is deleted in one commit", async () => {
      const below = `${fresh()}/`;
      for (let at = 0; at < 5; at++) {
        const ops = Array.from({ length: 60 }, (_, i) => {
          return { do: "set", key: `${below}${at}-${i}`, value: "" } as const;
        });
        await etcd.kv.commit(ops);
      }
      expect(await etcd.kv.list(below)).toHaveLength(300);
      expect(await etcd.kv.commit([{ do: "delete-tree", key: below }])).toMatchObject({ ok: true });
      expect(await etcd.kv.list(below)).toEqual([]);
    });

    test("eight writers that count by cas count right, and hear of nothing but conflicts", async () => {
      const key = fresh();
      const clients = Array.from({ length: 8 }, () => connectEtcd(server.config));
      const count = async ({ kv }: Etcd): Promise<void> => {
        for (let done = 0; done < 20;) {
          const now = await kv.get(key);
          const value = String(Number(now?.value ?? 0) + 1);
          const cas = { do: "cas", key, value, index: now?.index ?? 0 } as const;
          if ((await kv.commit([cas])).ok) done += 1;
        }
      };
      await Promise.all(clients.map(count));
      for (const client of clients) client.close();
      expect((await etcd.kv.get(key))?.value).toBe("160");
    });

    test("a watch goes on after a compaction that overtook it while it was cut off", async () => {
      await using detour = await startDetour(server.url);
      const behind = connectEtcd({ ...server.config, endpoints: [detour.url] });
      onTestFinished(() => behind.close());
      const key = fresh();
      await etcd.kv.commit([{ do: "set", key, value: "before" }]);
      const watch = await watching(behind, key);
      await detour.break("cuts");
      await until("the watch was cut", () => watch.errors.length > 0);
      for (let at = 0; at < 5; at++)
        await etcd.kv.commit([{ do: "set", key, value: `missed ${at}` }]);
      const raw = new Etcd3({ hosts: server.url });
      const { header } = await raw.kv.range({ key: Buffer.from(key) });
      await raw.kv.compact({ revision: header.revision, physical: true });
      raw.close();
      detour.mend();
      await until("the watch is up to date", () => watch.seen.at(-1)?.[0]?.value === "missed 4");
      await etcd.kv.commit([{ do: "set", key, value: "after" }]);
      await until("the watch goes on", () => watch.seen.at(-1)?.[0]?.value === "after");
      await watch.stop();
    });

    test.each(["refuses", "hangs"] as const)(
      "the lease goes on at the next endpoint when the present one %s, with its session and its key",
      async (how) => {
        await using first = await startDetour(server.url);
        const config = { ...server.config, endpoints: [first.url, server.url] };
        const service = serviceOf(fresh());
        const lease = await startEtcdLease({ config, service, onChange: () => undefined });
        keepTicking(lease);
        const id = await good(lease);
        const key = fresh();
        await lease.hold({ key, value: "mine" });
        await held(lease);
        await first.break(how);
        const broken = monotonicMs();
        await until("the key is proven anew", () => {
          return (lease.view().heldUntil ?? 0) > broken + 6000;
        });
        expect(lease.view().session).toBe(id);
        expect((await etcd.kv.get(key))?.session).toBe(id);
      },
    );

    test("a commit whose answer is lost is not known, and was sent once", async () => {
      await using detour = await startDetour(server.url);
      const config = { ...server.config, endpoints: [detour.url] };
      const inner = createTransport(config);
      onTestFinished(inner.close);
      let sent = 0;
      const transport: Transport = {
        ...inner,
        async call(what, request) {
          if (what !== "transaction") return inner.call(what, request);
          sent += 1;
          await detour.break("hangs");
          return inner.call(what, request);
        },
      };
      const key = fresh();
      const cas = { do: "cas", key, value: "mine", index: 0 } as const;
      const failure = createKv(transport, config).commit([cas]);
      await expect(failure).rejects.toMatchObject({ code: "AP_ETCD_UNREACHABLE" });
      expect((await etcd.kv.get(key))?.value).toBe("mine");
      expect(sent).toBe(1);
    });

    test("a request that is refused does not disturb the watches beside it", async () => {
      const key = fresh();
      const own = connectEtcd(server.config);
      onTestFinished(() => own.close());
      const watch = await watching(own, key);
      const huge = { do: "set", key, value: "x".repeat(2_000_000) } as const;
      await expect(own.kv.commit([huge])).rejects.toThrow(/too large/);
      await own.kv.commit([{ do: "set", key, value: "small" }]);
      await until("the watch saw it", () => watch.seen.at(-1)?.[0]?.value === "small");
      expect(watch.errors).toEqual([]);
      await watch.stop();
    });

    test("without anybody there a request fails within its limit, and says where it went", async () => {
      const nobody = connectEtcd(etcdFrom({ endpoints: ["127.0.0.1:1"] }, {}));
      onTestFinished(() => nobody.close());
      await expect(nobody.kv.get("a")).rejects.toMatchObject({
        code: "AP_ETCD_UNREACHABLE",
        message: expect.stringMatching(/etcd at http:\/\/127\.0\.0\.1:1: get a: .*ECONNREFUSED/),
      });
    });

    test("a datacenter is refused: there are none", async () => {
      const selector = { service: "x", dc: "paris" };
      const nothing = { signal: AbortSignal.abort(), onChange() {}, onError() {} };
      const watch = etcd.directory.watch(selector, nothing);
      await expect(watch).rejects.toMatchObject({ code: "AP_CONFIG_INVALID" });
    });

    test("a wrong user is a ConfigError that never repeats the password; the right one works everywhere", async () => {
      await using own = await startEtcdServer(argv);
      const root = new Etcd3({ hosts: own.url });
      await root.role("root").create();
      await (await root.user("root").create("s3cret-right")).addRole("root");
      await root.auth.authEnable();
      root.close();
      const as = (user: string): EtcdConfig =>
        etcdFrom({ endpoints: [own.url] }, { ETCDCTL_USER: user });
      for (const config of [as("root:s3cret-wrong"), own.config]) {
        const denied = connectEtcd(config);
        const failure = await denied.kv.get("a").catch((error: unknown) => error);
        expect(failure).toMatchObject({ name: "ConfigError", code: "AP_ETCD_DENIED" });
        expect(`${String(failure)}${JSON.stringify(failure)}`).not.toContain("s3cret");
        denied.close();
      }
      const allowed = connectEtcd(as("root:s3cret-right"));
      onTestFinished(() => allowed.close());
      const watch = await watching(allowed, "a");
      await allowed.kv.commit([{ do: "set", key: "a", value: "1" }]);
      await until("the watch saw it", () => watch.seen.at(-1)?.[0]?.value === "1");
      await watch.stop();
      const options = { service: serviceOf("auth"), onChange: () => undefined };
      const lease = await startEtcdLease({ ...options, config: as("root:s3cret-right") });
      keepTicking(lease);
      await good(lease);
      const wrong = await startEtcdLease({ ...options, config: as("root:s3cret-wrong") });
      keepTicking(wrong);
      await until("the lease says why", () => wrong.view().error?.includes("AP_ETCD_DENIED"));
      expect(wrong.view().error).not.toContain("s3cret");
    });

    test("speaks TLS with the authority that it was given, and with no other", async () => {
      await using own = await startEtcdServer(argv, { tls: true });
      const trusting = connectEtcd(own.config);
      onTestFinished(() => trusting.close());
      const watch = await watching(trusting, "a");
      await trusting.kv.commit([{ do: "set", key: "a", value: "1" }]);
      await until("the watch saw it", () => watch.seen.at(-1)?.[0]?.value === "1");
      await watch.stop();
      const options = { service: serviceOf("tls"), onChange: () => undefined };
      const lease = await startEtcdLease({ ...options, config: own.config });
      keepTicking(lease);
      await good(lease);
      const doubting = connectEtcd(etcdFrom({ endpoints: [own.url] }, {}));
      onTestFinished(() => doubting.close());
      await expect(doubting.kv.get("a")).rejects.toMatchObject({
        code: "AP_ETCD_UNREACHABLE",
        message: expect.stringMatching(/certificate/i),
      });
    });

    test("a full database refuses writes with a code of its own, and answers reads", async () => {
      await using own = await startEtcdServer(argv, { flags: ["--quota-backend-bytes=1000000"] });
      const full = connectEtcd(own.config);
      onTestFinished(() => full.close());
      const write = async (): Promise<unknown> => {
        for (let at = 0; at < 40; at++)
          await full.kv.commit([{ do: "set", key: `k${at}`, value: "x".repeat(100_000) + at }]);
        return null;
      };
      const failure = await write().catch((error: unknown) => error);
      expect(failure).toMatchObject({ name: "UnavailableError", code: "AP_ETCD_FULL" });
      expect((await full.kv.get("k0"))?.value.length).toBeGreaterThan(100_000);
    });

    test("a member that has lost its majority answers nothing, and a watch there says so", async () => {
      await using members = await startEtcdMembers(argv, 3);
      const [first, ...others] = members.all;
      if (first === undefined) throw new Error("there are three");
      const alone = connectEtcd(etcdFrom({ endpoints: [first.url] }, {}));
      onTestFinished(() => alone.close());
      await until("a write", () => alone.kv.commit([{ do: "set", key: "a", value: "1" }]));
      const watch = await watching(alone, "a");
      for (const other of others) await other.kill();
      await until("the watch was told", () => watch.errors.length > 0);
      await expect(alone.kv.get("a")).rejects.toMatchObject({ code: "AP_ETCD_UNREACHABLE" });
      await others[0]?.start();
      await until("a write with two of three", () =>
        alone.kv.commit([{ do: "set", key: "a", value: "2" }]),
      );
      await until("the watch saw it", () => watch.seen.at(-1)?.[0]?.value === "2");
      await watch.stop();
    });
  });
}
