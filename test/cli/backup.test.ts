// `autopilot backup` as typed, on a store alone: no cluster runs, and no Consul is there.
import { describe, expect, test } from "vitest";
import { dataKey, manifestKey } from "../../recipes/mysql/core/backup/layout.ts";
import { textOf } from "../../recipes/mysql/backup/manifest.ts";
import { place, take } from "../backup/fixture.ts";
import { cli } from "./cli.ts";

describe("autopilot backup", () => {
  test("lists, shows, holds, prunes and releases", async () => {
    await using at = await place(50_000);
    const store = at.store.name;
    const old = await take(at);
    const finishedAt = "2025-01-01T00:00:00.000Z";
    await at.store.put(manifestKey("c1", old.id), textOf({ ...old, finishedAt }));
    const young = await take(at);
    await at.store.put(manifestKey("c1", "broken"), Buffer.from("{"));
    const env = { AUTOPILOT_MYSQL_BACKUP_TO: store };
    const [listed, json, shown] = await Promise.all([
      cli(["backup", "list", "--store", store]),
      cli(["backup", "list", "--json", "--cluster", "shop"], { env }),
      cli(["backup", "show", young.id], { env }),
    ]);
    expect([listed.code, listed.stderr]).toEqual([0, ""]);
    const rows = `${young.id} +full +${young.engine.name} +9.7.4.*\\n${old.id} `;
    expect(listed.stdout).toMatch(new RegExp(rows));
    expect(listed.stdout).toMatch(/damaged broken: .*it is no JSON/);
    const said = JSON.parse(json.stdout) as { backups: { id: string; data: object }[] };
    expect(said).toMatchObject({ cluster: { id: "c1" }, damaged: [{ id: "broken" }] });
    expect(said.backups[0]).not.toHaveProperty("data.parts");
    expect(shown.stdout).toContain(young.gtid);

    const keep = ["--last", "1", "--window", "0s"];
    const dry = await cli(["backup", "prune", "--dry-run", ...keep], { env });
    expect(dry.stdout).toMatch(new RegExp(`would delete +${old.id}`));
    const held = await cli(["backup", "hold", old.id, "--why", "audit 2026"], { env });
    expect([held.code, held.stdout]).toEqual([0, `${old.id} is held: audit 2026\n`]);
    const kept = await cli(["backup", "prune", ...keep, "--json"], { env });
    expect(JSON.parse(kept.stdout)).toMatchObject({ removed: [], remove: [] });
    expect((await cli(["backup", "release", old.id], { env })).stdout).toContain("is released");
    const pruned = await cli(["backup", "prune", ...keep], { env });
    expect([pruned.code, pruned.stderr]).toEqual([0, ""]);
    expect(pruned.stdout).toMatch(new RegExp(`delete +${old.id}`));
    expect(await at.store.head(dataKey("c1", old.id))).toBeNull();
    expect(await at.store.head(dataKey("c1", young.id))).not.toBeNull();
  });

  test("each thing that is wrong is one clear line, and nothing is deleted", async () => {
    await using at = await place(50_000);
    const { id } = await take(at);
    const store = ["--store", at.store.name];
    const wrong = [
      [["backup", "lits", ...store], 64, "AP_USAGE"],
      [["backup", "list"], 64, "AP_BACKUP_STORE"],
      [["backup", "list", "--store", `${at.dir}?tags=a:b`], 78, "AP_OBJECTS_ADDRESS"],
      [["backup", "list", "--cluster", "other", ...store], 3, "AP_BACKUP_CLUSTER"],
      [["backup", "show", "none", ...store], 3, "AP_BACKUP_UNKNOWN"],
      [["backup", "prune", "--last", "0", ...store], 3, "AP_BACKUP_RETENTION"],
      [["backup", "prune", "--window", "7", ...store], 64, "AP_USAGE"],
    ] as const;
    const said = await Promise.all(wrong.map(([argv]) => cli(argv)));
    for (const [i, { code, stdout, stderr }] of said.entries()) {
      const [, exit, error] = wrong[i] ?? [];
      expect([code, stdout]).toEqual([exit, ""]);
      expect(stderr.split("\n")[0]).toMatch(/^autopilot: .* \[AP_[A-Z_]+\]$/);
      expect(stderr).toContain(`[${error}]`);
    }
    expect(await at.store.head(manifestKey("c1", id))).not.toBeNull();
  });
});
