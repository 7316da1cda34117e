// `autopilot objects check` as it is typed.
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { BUCKET, KEY_ID, SECRET, startStandIn } from "../objects/stand-in.ts";
import { cli } from "./cli.ts";

const keys = { AWS_ACCESS_KEY_ID: KEY_ID, AWS_SECRET_ACCESS_KEY: SECRET };

describe("autopilot objects check", () => {
  test("says what a directory can do, as a table and as JSON, and leaves nothing there", async () => {
    const dir = await mkdtemp(join(tmpdir(), "autopilot-cli-objects-"));
    const [table, json] = await Promise.all([
      cli(["objects", "check", dir]),
      cli(["objects", "check", `file://${dir}`, "--json"]),
    ]);
    expect(table).toMatchObject({ code: 0, stderr: "" });
    expect(table.stdout).toMatch(/^If-None-Match on put +yes/m);
    expect(table.stdout).toContain("is fit for backups");
    const said = JSON.parse(json.stdout) as { fit: boolean; findings: { ok: boolean | null }[] };
    expect(said.fit).toBe(true);
    expect(said.findings.filter(({ ok }) => ok === false)).toEqual([]);
    expect(await readdir(dir, { recursive: true })).toEqual([".uploads"]);
    await rm(dir, { recursive: true });
  });

  test("refuses a store that ignores conditional writes with 3 and the reason", async () => {
    await using standIn = await startStandIn();
    standIn.manners = { ignoreNoneMatch: true };
    const argv = ["objects", "check", `s3://${BUCKET}/x?endpoint=${standIn.url}`];
    const { code, stdout, stderr } = await cli(argv, { env: keys });
    expect(code).toBe(3);
    expect(stdout).toMatch(/^If-None-Match on put +NO/m);
    expect(stderr).toMatch(
      /^autopilot: s3:\/\/shelf\/x is not fit for backups .*\[AP_OBJECTS_UNFIT\]\n/,
    );
    expect(stderr).toContain("If-None-Match on put: ignored");
    expect(stdout + stderr).not.toContain(SECRET);
    expect(standIn.objects.size + standIn.uploads.size).toBe(0);
  });

  test("each thing that is wrong is one clear line", async () => {
    await using standIn = await startStandIn();
    const at = (bucket: string) => `s3://${bucket}?endpoint=${standIn.url}`;
    const noKeys = { AWS_EC2_METADATA_DISABLED: "true", HOME: "/nowhere" };
    const wrong = [
      [at("another"), keys, 78, "AP_OBJECTS_BUCKET"],
      [at(BUCKET), { ...keys, AWS_ACCESS_KEY_ID: "AKOTHER" }, 78, "AP_OBJECTS_CREDENTIALS"],
      [at(BUCKET), noKeys, 78, "AP_OBJECTS_CREDENTIALS"],
      [`s3://${BUCKET}?endpoint=http://127.0.0.1:1`, keys, 69, "AP_OBJECTS_UNREACHABLE"],
      [`s3://${BUCKET}?endpoint=https${standIn.url.slice(4)}`, keys, 78, "AP_OBJECTS_ENDPOINT"],
      [`s3://${BUCKET}?endpiont=x`, keys, 78, "AP_OBJECTS_ADDRESS"],
      ["/not/there", {}, 78, "AP_OBJECTS_BUCKET"],
    ] as const;
    const said = await Promise.all(
      wrong.map(([address, env]) => cli(["objects", "check", address], { env })),
    );
    for (const [i, { code: exited, stdout, stderr }] of said.entries()) {
      const [, , exit, code] = wrong[i] ?? [];
      expect([exited, stdout]).toEqual([exit, ""]);
      expect(stderr).toContain(`[${code}]`);
      expect(stderr.split("\n")[0]).toMatch(/^autopilot: .* \(hint: .*\) \[AP_OBJECTS_[A-Z]+\]$/);
    }
  });
});
