// What a restore refuses, each with one clear error and nothing written: targets, backups, directories, identities.
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { parseMoment } from "../../recipes/mysql/backup/moment.ts";
import { planRestore } from "../../recipes/mysql/backup/restore-plan.ts";
import { openRestoreDir, requireEmptyDir } from "../../recipes/mysql/backup/restore-dir.ts";
import { requireSeries } from "../../recipes/mysql/backup/restore.ts";
import { readArchive, loadSegments } from "../../recipes/mysql/backup/segment-store.ts";
import { segmentsPrefix } from "../../recipes/mysql/core/backup/layout.ts";
import { timelineOf } from "../../recipes/mysql/core/backup/segment.ts";
import type { Target } from "../../recipes/mysql/core/backup/target.ts";
import type { ObjectStore } from "../../src/ports.ts";
import { CLUSTER, lab, type Lab, type Server } from "../mysqld/servers.ts";
import { primary, runArchiver, storeIn } from "./archive-fixture.ts";
import { makeTables, rotate, writeSmall } from "./history.ts";
import { executedOf, manifestOf } from "./restore-fixture.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

let servers: Lab;
let server: Server;
let store: ObjectStore;
let identity = "";
let base = "";
const never = new AbortController().signal;

beforeAll(async () => {
  servers = await lab();
  server = await primary(servers, 1);
  await mkdir(join(servers.dir, "objects"));
  store = storeIn(servers);
  identity = await generateX25519Identity();
  const sealing = { level: 1, recipients: [await identityToRecipient(identity)] };
  await using run = await runArchiver(server, store, { sealing });
  await makeTables(server);
  await run.caughtUp();
  base = await executedOf(server);
  for (let i = 0; i < 3; i++) {
    await writeSmall(server, 1, 5);
    await rotate(server);
    await run.caughtUp();
  }
});
afterAll(() => servers[Symbol.asyncDispose]());

async function planned(target: Target, o: { gtid?: string; identities?: string[] | null } = {}) {
  const backups = [manifestOf({ gtid: o.gtid ?? base })];
  const timeline = timelineOf(await loadSegments(store, CLUSTER, never));
  const identities = o.identities === undefined ? [identity] : o.identities;
  return planRestore(
    { store, identities, signal: never },
    { timeline, backups },
    {
      target,
      backup: null,
    },
  );
}

const gtid = (n: number): Target => ({ to: "gtid", gtid: `${server.uuid}:${n}` });

describe("a target", () => {
  test("that is not in the archive is refused, with what can be recovered", async () => {
    for (const target of [
      { to: "time", at: 1_000_000 } as const,
      { to: "time", at: 4_000_000_000_000_000 } as const,
      gtid(1_000),
    ])
      await expect(planned(target)).rejects.toMatchObject({
        code: "AP_RESTORE_TARGET",
        reasons: [
          expect.stringContaining("every moment from"),
          expect.stringContaining("as it is"),
        ],
      });
  });

  test("before every backup is refused", async () => {
    const newest = await executedOf(server);
    await expect(planned(gtid(5), { gtid: newest })).rejects.toMatchObject({
      code: "AP_RESTORE_TARGET",
    });
  });

  test("behind a gap is refused and names what is missing; before it, it is not", async () => {
    const { items } = await store.list(segmentsPrefix(CLUSTER));
    const timeline = timelineOf(await loadSegments(store, CLUSTER, never));
    const lost = timeline.at(-2);
    const key = items.find(({ key: name }) => name.includes(`${lost?.file ?? ""}-`))?.key ?? "";
    const body = (await store.get(key))?.body ?? Buffer.alloc(0);
    // One bit: an index that cannot be believed is as good as none.
    const flipped = Buffer.from(body);
    const at = flipped.indexOf('"transactions": ') + '"transactions": '.length;
    flipped[at] = (flipped[at] ?? 0) ^ 1;
    await store.put(key, flipped);
    try {
      expect((await readArchive(store, CLUSTER, never)).damaged).toHaveLength(1);
      await expect(planned({ to: "latest" })).rejects.toMatchObject({
        code: "AP_RESTORE_GAP",
        message: expect.stringContaining(lost?.added ?? "none"),
      });
      const before = timeline.at(-3)?.last.gtid ?? "";
      expect((await planned({ to: "gtid", gtid: before })).lastIncluded?.gtid).toBe(before);
    } finally {
      await store.put(key, body);
    }
    expect((await planned({ to: "latest" })).ok).toBe(true);
  });

  test("in an encrypted archive needs the identity", async () => {
    // In the middle of a segment: its transactions have to be read.
    const middle = gtid(6);
    expect((await planned(middle)).ok).toBe(true);
    await expect(planned(middle, { identities: null })).rejects.toMatchObject({
      code: "AP_BACKUP_IDENTITY",
      message: expect.stringContaining("age1"),
    });
    const other = [await generateX25519Identity()];
    await expect(planned(middle, { identities: other })).rejects.toMatchObject({
      code: "AP_BACKUP_IDENTITY",
    });
  });
});

describe("a backup", () => {
  test("of another series of the server is refused, with the way to upgrade", () => {
    const of = (version: string, flavor: "mysql" | "mariadb" = "mysql") =>
      manifestOf({ gtid: "", server: { flavor, version } });
    const at = (version: string) => ({ ...servers.tool, version });
    expect(() => requireSeries(of("9.7.2"), at("9.7.4"))).not.toThrow();
    expect(() => requireSeries(of("26.7.0"), at("26.7.1"))).not.toThrow();
    for (const [backup, here, hint] of [
      ["8.4.6", "9.7.4", /upgrade series by series/],
      ["26.7.0", "9.7.4", /never downgraded/],
      ["9.7.10", "9.7.4", /9\.7\.10 or a newer/],
      ["26.10.0", "26.7.1", /never downgraded/],
    ] as const)
      expect(() => requireSeries(of(backup), at(here))).toThrow(
        expect.objectContaining({
          code: "AP_RESTORE_VERSION",
          hint: expect.stringMatching(hint),
        }),
      );
    expect(() => requireSeries(of("10.11.8", "mariadb"), at("9.7.4"))).toThrow(/MariaDB/);
  });
});

describe("a directory", () => {
  test("that is not empty is refused; what an unfinished restore left is removed", async () => {
    const dir = await mkdtemp(join(tmpdir(), "autopilot-restore-"));
    try {
      const at = await openRestoreDir(dir);
      await writeFile(join(at.datadir, "ibdata1"), "half");
      expect(await readdir((await openRestoreDir(dir)).datadir)).toEqual([]);
      await writeFile(join(dir, "mine"), "");
      await expect(openRestoreDir(dir)).rejects.toMatchObject({ code: "AP_RESTORE_INTO" });
      expect((await readdir(dir)).toSorted()).toEqual(["mine", "restore.half"]);
      await expect(requireEmptyDir(join(dir, "mine"))).rejects.toMatchObject({
        code: "AP_RESTORE_INTO",
      });
      await requireEmptyDir(join(dir, "not", "there"));
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});

describe("a moment", () => {
  test("is one in every zone, to the microsecond", () => {
    const noon = Date.UTC(2026, 10, 20, 12) * 1_000;
    for (const text of [
      "2026-11-20T12:00:00Z",
      "2026-11-20 12:00z",
      "2026-11-20T13:00:00+01:00",
      "2026-11-20T06:30:00-0530",
    ])
      expect(parseMoment(text), text).toBe(noon);
    expect(parseMoment("2026-11-20T12:00:00.000001Z")).toBe(noon + 1);
    expect(parseMoment("2026-11-20T12:00:00.25Z")).toBe(noon + 250_000);
  });

  test("without a zone, or that is none, is refused", () => {
    for (const text of [
      "2026-11-20T12:00:00",
      "2026-11-20",
      "yesterday",
      "",
      "2026-02-30T00:00:00Z",
      "2026-11-20T25:00:00Z",
      "2026-11-20T12:00:00+99:00",
      "1763640000",
    ])
      expect(() => parseMoment(text), text).toThrow(expect.objectContaining({ code: "AP_USAGE" }));
  });
});
