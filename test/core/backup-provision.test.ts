// Where a new replica's data come from.
import { describe, expect, test } from "vitest";
import { chooseProvision } from "../../recipes/mysql/core/backup/provision.ts";
import type { LastBackup } from "../../recipes/mysql/core/backup/due.ts";

const U = "11111111-1111-1111-1111-111111111111";
const last: LastBackup = {
  id: "X",
  gtid: `${U}:1-100`,
  binlog: null,
  node: "",
  startedAt: "",
  finishedAt: "",
  rawBytes: 1,
  storedBytes: 1,
  verified: null,
};
const donor = { node: "mysql-1", isPrimary: false, purged: `${U}:1-50` };
const facts = { policy: "auto", donor, last } as const;
const lone = { ...donor, isPrimary: true };

describe("a new replica's data", () => {
  test("are copied from a replica; from a backup where only the primary could give", () => {
    expect(chooseProvision(facts)).toMatchObject({ how: "clone" });
    expect(chooseProvision({ ...facts, donor: lone })).toMatchObject({ how: "backup" });
  });

  test("are what the policy says", () => {
    expect(chooseProvision({ ...facts, policy: "backup" }).how).toBe("backup");
    expect(chooseProvision({ ...facts, policy: "clone", donor: lone }).how).toBe("clone");
  });

  test("never come from a backup that is older than the binary logs that are left", () => {
    const purged = { ...donor, purged: `${U}:1-101` };
    const found = chooseProvision({ ...facts, policy: "backup", donor: purged });
    expect(found).toMatchObject({ how: "clone" });
    expect(found.why).toContain("older than the binary logs");
  });

  test("are cloned where there is no backup", () => {
    const policy = "backup" as const;
    expect(chooseProvision({ ...facts, policy, last: null }).how).toBe("clone");
    expect(chooseProvision({ ...facts, policy, last: { ...last, id: null } }).how).toBe("clone");
  });
});
