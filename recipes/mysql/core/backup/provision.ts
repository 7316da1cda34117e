// Whether a new replica is copied from a running node or made from the newest backup and the archived binary logs.
import { contains, gtidSet } from "../gtid.ts";
import type { LastBackup } from "./due.ts";

export type ProvisionFacts = {
  readonly policy: "auto" | "clone" | "backup";
  /** The donor of a clone: null fields where its record does not say. */
  readonly donor: { readonly node: string; readonly isPrimary: boolean; readonly purged: string };
  readonly last: LastBackup | null;
};

export type Provision = { readonly how: "clone" | "backup"; readonly why: string };

/**
 * A backup is only worth its download where the primary still has all binary logs from there on: else the copy could never
 * follow. With `auto` it spares a primary that has no replica to copy from.
 */
export function chooseProvision({ policy, donor, last }: ProvisionFacts): Provision {
  const clone = (why: string): Provision => ({
    how: "clone",
    why: `${why}: cloning from ${donor.node}`,
  });
  if (policy === "clone") return clone("the policy");
  if (last === null || last.id === null) return clone("there is no backup");
  if (!contains(gtidSet(last.gtid), gtidSet(donor.purged)))
    return clone(`backup ${last.id} is older than the binary logs that are left`);
  if (policy === "backup") return { how: "backup", why: `the policy: backup ${last.id}` };
  if (!donor.isPrimary) return clone("a replica can give");
  return { how: "backup", why: `only the primary could give: backup ${last.id} spares it` };
}
