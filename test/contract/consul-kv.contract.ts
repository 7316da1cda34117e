// The Kv port: reads, each operation of a transaction with its reasons of failure, atomicity, watches.
import { describe, expect, test } from "vitest";
import type { KvOp } from "../../src/ports.ts";
import { TEST_LIMIT_MS, useConsul, watching, type StartConsul } from "./consul-fixture.ts";
import { until } from "./until.ts";

export function kvContract(start: StartConsul): void {
  describe("keys", { timeout: TEST_LIMIT_MS }, () => {
    const { consul, fresh, session } = useConsul(start);
    const kv = () => consul().kv;

    /** Sets one key and returns its index. */
    async function set(key: string, value: string): Promise<number> {
      const done = await kv().commit([{ do: "set", key, value }]);
      return done.ok ? (done.entries[0]?.index ?? 0) : 0;
    }

    test("a key that was never written is null, and a prefix of nothing is empty", async () => {
      const key = fresh();
      expect(await kv().get(key)).toBeNull();
      expect(await kv().list(`${key}/`)).toEqual([]);
    });

    test("a written key is read back with the index that the commit returned", async () => {
      const key = fresh();
      const index = await set(key, "one");
      const entry = { key, value: "one", index, session: null };
      expect(await kv().get(key)).toEqual(entry);
      expect(await kv().get(key, { consistent: true })).toEqual(entry);
      expect(await kv().list(key, { consistent: true })).toEqual([entry]);
    });

    test("values of any text survive: empty, unicode, NUL, 300 kB", async () => {
      const values = ["", "žluťoučký 🐎", 'a\u0000b\n\r"\\', "x".repeat(300_000)];
      for (const value of values) {
        const key = fresh();
        await set(key, value);
        expect((await kv().get(key))?.value).toBe(value);
      }
    });

    test("keys with spaces, unicode and reserved characters are kept apart", async () => {
      const below = `${fresh()}/`;
      const keys = ["a b", "a+b", "a%20b", "ä?ö#&=", "deep/er"].map((name) => below + name);
      for (const key of keys) await set(key, key);
      for (const key of keys) expect((await kv().get(key))?.value).toBe(key);
      expect((await kv().list(below)).map((entry) => entry.key)).toEqual(keys.toSorted());
    });

    test("a list holds what begins with the prefix, in key order, and nothing else", async () => {
      const below = fresh();
      for (const name of ["/b", "/a", "/a/c", "x"]) await set(below + name, "");
      const found = await kv().list(`${below}/`);
      expect(found.map((entry) => entry.key)).toEqual([`${below}/a`, `${below}/a/c`, `${below}/b`]);
    });

    test("writing the same value again leaves the index alone", async () => {
      const key = fresh();
      const index = await set(key, "same");
      expect(await set(key, "same")).toBe(index);
      expect(await set(key, "other")).toBeGreaterThan(index);
    });

    test("cas writes at the right index only, and at 0 only what does not exist", async () => {
      const key = fresh();
      const cas = (index: number, value: string) => kv().commit([{ do: "cas", key, value, index }]);
      const made = await cas(0, "made");
      expect(made).toMatchObject({ ok: true, entries: [{ key, value: "made", session: null }] });
      expect(await cas(0, "again")).toMatchObject({
        ok: false,
        why: expect.stringContaining("stale"),
      });
      const index = (await kv().get(key))?.index ?? 0;
      expect(await cas(index + 1, "wrong")).toMatchObject({ ok: false });
      expect(await cas(index, "right")).toMatchObject({ ok: true });
      expect((await kv().get(key))?.value).toBe("right");
    });

    test("delete removes a key, and removing nothing is no failure", async () => {
      const key = fresh();
      await set(key, "");
      expect(await kv().commit([{ do: "delete", key }])).toEqual({ ok: true, entries: [] });
      expect(await kv().get(key)).toBeNull();
      expect(await kv().commit([{ do: "delete", key }])).toMatchObject({ ok: true });
    });

    test("delete-cas removes at the right index only", async () => {
      const key = fresh();
      const index = await set(key, "");
      const wrong = await kv().commit([{ do: "delete-cas", key, index: index + 1 }]);
      expect(wrong).toMatchObject({ ok: false, why: expect.stringContaining("stale") });
      expect(await kv().get(key)).not.toBeNull();
      expect(await kv().commit([{ do: "delete-cas", key, index }])).toMatchObject({ ok: true });
      expect(await kv().get(key)).toBeNull();
    });

    test("delete-tree removes all below the prefix and nothing beside it", async () => {
      const below = fresh();
      for (const name of ["/a", "/b/c", "-beside"]) await set(below + name, "");
      await kv().commit([{ do: "delete-tree", key: `${below}/` }]);
      expect((await kv().list(below)).map((entry) => entry.key)).toEqual([`${below}-beside`]);
    });

    test("a lock is taken once, repeated by its holder, refused to others, and given back", async () => {
      const key = fresh();
      const [mine, other] = [await session(), await session()];
      const lock = (id: string, value: string) =>
        kv().commit([{ do: "lock", key, value, session: id }]);
      const unlock = (id: string) =>
        kv().commit([{ do: "unlock", key, value: "free", session: id }]);
      expect(await lock(mine.id, "mine")).toMatchObject({
        ok: true,
        entries: [{ key, value: "mine", session: mine.id }],
      });
      expect(await lock(mine.id, "still mine")).toMatchObject({ ok: true });
      expect(await lock(other.id, "theirs")).toMatchObject({
        ok: false,
        why: expect.stringContaining("already held"),
      });
      expect(await unlock(other.id)).toMatchObject({ ok: false });
      expect((await kv().get(key))?.value).toBe("still mine");
      expect(await unlock(mine.id)).toMatchObject({ ok: true });
      expect(await kv().get(key)).toMatchObject({ value: "free", session: null });
      expect(await lock(other.id, "theirs")).toMatchObject({ ok: true });
    });

    test("a lock needs a session that exists", async () => {
      const gone = "11111111-1111-1111-1111-111111111111";
      const done = await kv().commit([{ do: "lock", key: fresh(), value: "", session: gone }]);
      expect(done).toMatchObject({ ok: false, why: expect.stringContaining("invalid session") });
    });

    test("check-session passes for the holder only, also right after the lock in one transaction", async () => {
      const key = fresh();
      const [mine, other] = [await session(), await session()];
      const check = (id: string): KvOp => ({ do: "check-session", key, session: id });
      expect(await kv().commit([check(mine.id)])).toMatchObject({ ok: false });
      const both = [{ do: "lock", key, value: "", session: mine.id } as const, check(mine.id)];
      expect(await kv().commit(both)).toMatchObject({ ok: true });
      expect(await kv().commit([check(mine.id)])).toMatchObject({ ok: true });
      expect(await kv().commit([check(other.id)])).toMatchObject({
        ok: false,
        why: expect.stringContaining("session check"),
      });
    });

    test("writing a locked key without its session changes the value and not the holder", async () => {
      const key = fresh();
      const { id } = await session();
      await kv().commit([{ do: "lock", key, value: "mine", session: id }]);
      await set(key, "overwritten");
      expect(await kv().get(key)).toMatchObject({ value: "overwritten", session: id });
    });

    test("a transaction with one failure changes nothing and says every reason", async () => {
      const below = `${fresh()}/`;
      const index = await set(`${below}kept`, "kept");
      const done = await kv().commit([
        { do: "set", key: `${below}new`, value: "" },
        { do: "set", key: `${below}kept`, value: "changed" },
        { do: "delete-tree", key: below },
        { do: "cas", key: `${below}kept`, value: "", index: index + 7 },
        { do: "check-session", key: `${below}kept`, session: "nobody" },
      ]);
      expect(done).toMatchObject({ ok: false, why: expect.stringMatching(/stale.*; .*session/) });
      expect(await kv().list(below)).toEqual([
        { key: `${below}kept`, value: "kept", index, session: null },
      ]);
    });

    test("64 operations fit into one transaction and happen at one index", async () => {
      const below = `${fresh()}/`;
      const ops = Array.from({ length: 64 }, (_, at): KvOp => {
        return { do: "set", key: `${below}${String(at).padStart(2, "0")}`, value: String(at) };
      });
      const done = await kv().commit(ops);
      expect(done.ok && done.entries.length).toBe(64);
      const found = await kv().list(below);
      expect(found.map((entry) => entry.value)).toEqual(ops.map((_, at) => String(at)));
      expect(new Set(found.map((entry) => entry.index)).size).toBe(1);
    });

    test("65 operations are our own mistake and are not sent", async () => {
      const op: KvOp = { do: "set", key: fresh(), value: "" };
      const all = Array.from({ length: 65 }, () => op);
      await expect(kv().commit(all)).rejects.toMatchObject({ code: "AP_BUG_INVARIANT" });
    });

    test("a watch delivers the start, each write, a lock, its release and the deletion, and nothing else", async () => {
      const below = `${fresh()}/`;
      const key = `${below}a`;
      const { id } = await session();
      const watch = await watching(consul(), below);
      const delivered = (count: number) =>
        until(`${count} deliveries`, () => watch.seen.length >= count);
      await set(`${fresh()}`, "elsewhere");
      await set(key, "one");
      await delivered(2);
      await set(key, "one");
      await kv().commit([{ do: "lock", key, value: "one", session: id }]);
      await delivered(3);
      await kv().commit([{ do: "lock", key, value: "one", session: id }]);
      await kv().commit([{ do: "unlock", key, value: "one", session: id }]);
      await delivered(4);
      await kv().commit([{ do: "delete", key }]);
      await delivered(5);
      await set(`${below}b`, "last");
      await delivered(6);
      await watch.stop();
      const brief = watch.seen.map((entries) =>
        entries.map((entry) => [entry.key.slice(below.length), entry.value, entry.session]),
      );
      const a = (holder: string | null) => [["a", "one", holder]];
      expect(brief).toEqual([[], a(null), a(id), a(null), [], [["b", "last", null]]]);
      expect(watch.errors).toEqual([]);
    });

    test("a watch of one key wakes for it, and two watches do not disturb each other", async () => {
      const [one, two] = [fresh(), fresh()];
      const watches = [await watching(consul(), one), await watching(consul(), two)] as const;
      await set(one, "1");
      await until("the first watch saw it", () => watches[0].seen.length === 2);
      await set(two, "2");
      await until("the second watch saw it", () => watches[1].seen.length === 2);
      for (const watch of watches) await watch.stop();
      expect(watches[0].seen.at(-1)).toMatchObject([{ key: one, value: "1" }]);
      expect(watches[0].seen.length).toBe(2);
    });

    test("a hundred waiting watches leave room for requests", async () => {
      const below = `${fresh()}/`;
      const watches = await Promise.all(
        Array.from({ length: 100 }, (_, at) => watching(consul(), `${below}${at}/`)),
      );
      await set(`${below}7/x`, "");
      await until("the one watch saw it", () => watches[7]?.seen.length === 2);
      for (const watch of watches) await watch.stop();
      expect(watches.filter((watch) => watch.seen.length > 1).length).toBe(1);
    });

    test("an aborted watch ends, and one that never began delivers nothing", async () => {
      const watch = await watching(consul(), fresh());
      await watch.stop();
      const seen: unknown[] = [];
      const onChange = (entries: unknown): void => void seen.push(entries);
      const signal = AbortSignal.abort();
      await kv().watch(fresh(), { signal, onChange, onError: onChange });
      expect(seen).toEqual([]);
    });
  });
}
