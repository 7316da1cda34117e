// What a person reads beside extracted transactions: what they are, why they are here, how to look at them and how to
// apply them by hand.
import type { Story } from "../machine.ts";
import { asideName } from "./layout.ts";

/** Markdown. */
export function noteOf(
  story: Story,
  kept: { readonly gtids: string; readonly count: number; readonly problems: readonly string[] },
): string {
  const incomplete = [
    "## Not complete",
    "",
    ...kept.problems.map((problem) => `- ${problem}`),
    "",
    "The datadir is never deleted automatically: what is missing here may be found in it.",
    "",
  ];
  return [
    `# Transactions of ${story.node} that the primary lacks`,
    "",
    `- why: ${story.why}`,
    `- when: ${story.at}`,
    `- server_uuid of the datadir: ${story.uuid}`,
    `- epoch ${story.epoch}, primary then: ${story.primary}`,
    `- ${kept.count} transactions here: ${kept.gtids === "" ? "none" : kept.gtids}`,
    `- the whole datadir: ../../aside/${asideName(story.at, story.uuid)} (the newest few are kept: \`mysql.keepAside\`)`,
    "",
    "By the protocol no client was told that these were committed, unless somebody wrote past the primary.",
    "Among them may be rows of `autopilot.heartbeat`, which mean nothing.",
    "",
    ...(kept.problems.length === 0 ? [] : incomplete),
    "## Look",
    "",
    "`transactions.txt` is the same as `transactions.binlog`, decoded. Each row is there with all its columns.",
    "",
    "## Apply by hand",
    "",
    "Only after you have looked: rows may have changed since, and a change may not fit any more. On the primary, as an",
    "account with SUPER or REPLICATION_APPLIER and BINLOG_ADMIN, all of it or the range that you want:",
    "",
    "```sh",
    "mysqlbinlog --skip-gtids transactions.binlog | mysql --host=PRIMARY --user=… --password",
    "```",
    "",
    "It stops at the first row that does not fit. `--skip-gtids` makes them new transactions of the primary, which then",
    "replicate like any other. This folder is deleted by nobody but you.",
    "",
  ].join("\n");
}
