// The ObjectStore contract: one suite for the disk, for the stand-in over HTTP, and for a real Ceph RGW.
import { describe, expect, test } from "vitest";
import { probe, refusals } from "../../src/objects/probe.ts";
import { failure, keysBelow, useStores, type StartStores } from "./objects-fixture.ts";
import { uploadsContract } from "./objects-uploads.contract.ts";

export function objectsContract(name: string, start: StartStores): void {
  describe(`object store contract on ${name}`, () => {
    smallObjects(start);
    uploadsContract(start);
  });
}

const text = (value: string): Buffer => Buffer.from(value);

function smallObjects(start: StartStores): void {
  describe("small objects", () => {
    const { store, missing, fresh, partBytes } = useStores(start);

    test("what was never written is null, an empty list, an error when it is read, and can be deleted", async () => {
      const key = `${fresh()}x`;
      expect(await store().head(key)).toBeNull();
      expect(await store().get(key)).toBeNull();
      expect(await store().list(key)).toEqual({ items: [], next: null });
      expect(await failure(store().read(key).next())).toMatchObject({
        name: "ConflictError",
        code: "AP_OBJECTS_MISSING",
      });
      await store().delete([key]);
    });

    test("what was put is there at once, everywhere the same", async () => {
      const folder = fresh();
      for (const body of ["", "one", "x".repeat(100_000)]) {
        const put = await store().put(`${folder}a`, text(body));
        expect(put).toMatchObject({ key: `${folder}a`, bytes: body.length });
        const got = await store().get(`${folder}a`);
        expect(got?.body.toString()).toBe(body);
        expect(got?.info).toMatchObject(put);
        expect(await store().head(`${folder}a`)).toMatchObject(put);
        expect((await store().list(folder)).items).toEqual([expect.objectContaining(put)]);
      }
    });

    test("If-None-Match writes what does not exist, and nothing else", async () => {
      const key = `${fresh()}x`;
      await store().put(key, text("first"), { ifNoneMatch: true });
      const second = failure(store().put(key, text("second"), { ifNoneMatch: true }));
      expect(await second).toMatchObject({ name: "ConflictError", code: "AP_OBJECTS_CONFLICT" });
      expect((await store().get(key))?.body.toString()).toBe("first");
      await store().delete([key]);
      await store().put(key, text("again"), { ifNoneMatch: true });
    });

    test("If-Match writes over exactly what was seen", async () => {
      const key = `${fresh()}x`;
      const first = await store().put(key, text("first"));
      const second = await store().put(key, text("second"), { ifMatch: first.etag });
      const head = await store().head(key);
      expect(head?.etag).toBe(second.etag);
      const conflict = { name: "ConflictError", code: "AP_OBJECTS_CONFLICT" };
      for (const etag of [first.etag, '"00000000000000000000000000000000"']) {
        const stale = failure(store().put(key, text("third"), { ifMatch: etag }));
        expect(await stale).toMatchObject(conflict);
      }
      const absent = failure(store().put(`${key}y`, text("x"), { ifMatch: second.etag }));
      expect(await absent).toMatchObject(conflict);
      expect((await store().get(key))?.body.toString()).toBe("second");
    });

    test("of writers at the same time one wins, and its bytes are there", async () => {
      const folder = fresh();
      const { etag } = await store().put(`${folder}match`, text("before"));
      for (const [name, condition] of [
        ["none", { ifNoneMatch: true }],
        ["match", { ifMatch: etag }],
      ] as const) {
        const tries = Array.from({ length: 8 }, (_, i) =>
          store()
            .put(`${folder}${name}`, text(`writer ${i}`), condition)
            .then(
              () => `writer ${i}`,
              (error: { code: string }) => error.code,
            ),
        );
        const outcomes = await Promise.all(tries);
        const winners = outcomes.filter((it) => it.startsWith("writer"));
        expect(winners).toHaveLength(1);
        expect(outcomes.filter((it) => it === "AP_OBJECTS_CONFLICT")).toHaveLength(7);
        expect((await store().get(`${folder}${name}`))?.body.toString()).toBe(winners[0]);
      }
    });

    test("keys of all characters are kept apart, listed in the order of their bytes, and deleted", async () => {
      const folder = fresh();
      const names = [
        "!",
        "#x?y",
        "%20",
        " ",
        "+",
        "a b",
        "a&<b>",
        "a'\"",
        "a\\b",
        "deep/er/x",
        "ä",
        "日本",
        "\u{ff5e}",
        "\u{1f40e}",
      ];
      for (const name of names) await store().put(folder + name, text(name), { ifNoneMatch: true });
      for (const name of names)
        expect((await store().get(folder + name))?.body.toString()).toBe(name);
      const inOrder = names.toSorted((a, b) => Buffer.compare(text(a), text(b)));
      expect(await keysBelow(store(), folder)).toEqual(inOrder);
      await store().delete([...names.map((name) => folder + name), `${folder}none`]);
      expect(await keysBelow(store(), folder)).toEqual([]);
    });

    test("a list is of what begins with the prefix, in pages of at most the limit", async () => {
      const folder = fresh();
      const names = ["a/1", "a/2", "a/3", "ab", "b/1", "b/2", "c"];
      for (const name of names) await store().put(folder + name, text(""));
      expect(await keysBelow(store(), `${folder}a/`)).toEqual(["1", "2", "3"]);
      const seen: string[][] = [];
      let after: string | null = "";
      while (after !== null) {
        const { items, next }: Awaited<ReturnType<ReturnType<typeof store>["list"]>> =
          await store().list(folder, after === "" ? { limit: 3 } : { limit: 3, after });
        seen.push(items.map(({ key }) => key.slice(folder.length)));
        after = next;
      }
      expect(seen).toEqual([["a/1", "a/2", "a/3"], ["ab", "b/1", "b/2"], ["c"]]);
    });

    test("a key that not every store takes is refused before anything is asked", async () => {
      const bad = ["", "/a", "a/", "a//b", "a/../b", "./a", ".uploads/x", "a\nb", "x".repeat(300)];
      for (const key of bad) {
        const attempts = [
          store().head(key),
          store().get(key),
          store().put(key, text("")),
          store().delete([key]),
          store().read(key).next(),
          (async () => store().upload(key))(),
        ];
        for (const attempt of attempts)
          expect(await failure(attempt)).toMatchObject({ code: "AP_OBJECTS_LIMIT", exitCode: 3 });
      }
    });

    test("too many bytes for one piece are refused", async () => {
      const body = Buffer.alloc(16 * 1024 * 1024 + 1);
      expect(await failure(store().put(`${fresh()}x`, body))).toMatchObject({
        code: "AP_OBJECTS_LIMIT",
      });
    });

    test("where there is no bucket, nothing looks like an empty store", async () => {
      await using nowhere = missing();
      const attempts = [
        () => nowhere.head("x"),
        () => nowhere.get("x"),
        () => nowhere.list(""),
        () => nowhere.read("x").next(),
        () => nowhere.put("x", text("")),
        () => nowhere.unfinished(""),
        async () => {
          await using upload = nowhere.upload("x");
          await upload.finish();
        },
      ];
      for (const attempt of attempts) {
        const error = await failure(attempt());
        expect(error).toMatchObject({ name: "ConfigError", code: "AP_OBJECTS_BUCKET" });
        expect((error as Error).message).toContain(nowhere.name);
      }
    });

    test("the probe finds it fit, and leaves nothing behind", async () => {
      const findings = await probe(store(), { listed: 40, partBytes: partBytes() });
      expect(refusals(findings)).toEqual([]);
      expect(findings.length).toBeGreaterThan(10);
      expect(await keysBelow(store(), "autopilot-probe/")).toEqual([]);
      expect((await store().unfinished("autopilot-probe/")).items).toEqual([]);
    });
  });
}
