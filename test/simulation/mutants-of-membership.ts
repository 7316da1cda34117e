// Rules of V, k, rebuilds and the key `state` (PROTOCOL.md §1, §7), each with the edit that removes it and a seed that
// noticed, or why nothing does.
import { CORE, edit, EXECUTE, mutant, type Mutant } from "./mutant.ts";

export const MEMBERSHIP_MUTANTS: readonly Mutant[] = [
  mutant(
    "small_quorum",
    "§1",
    [
      edit(
        `${CORE}/state.ts`,
        "return state.voters.length - state.acks;",
        "return Math.max(1, state.voters.length - state.acks - 1);",
      ),
    ],
    { seed: 41013, nodes: 3 },
  ),
  mutant(
    "nonvoter_acks",
    "§7",
    [
      edit(`${CORE}/following.ts`, "const semiSync = voter;", "const semiSync = voter || true;"),
      edit(
        `${EXECUTE}/following.ts`,
        "return state?.value.epoch === epoch && state.value.voters.includes(uuidOf(hands));",
        "return state?.value.epoch === epoch;",
      ),
      edit(`${CORE}/membership.ts`, "    kickStrangers(seen) ??\n", ""),
    ],
    { seed: 41000, nodes: 3 },
  ),
  mutant(
    "rm_no_cut",
    "§7 remove",
    [
      edit(
        `${EXECUTE}/membership.ts`,
        "    await mysqldOf(hands).cut(serverId, uuid);\n",
        "    void serverId;\n",
      ),
    ],
    { seed: 43041, nodes: 3 },
  ),
  mutant(
    "rm_no_barrier",
    "§7 remove, k up",
    [
      edit(
        `${CORE}/membership.ts`,
        "if (acked !== null && acked > change.since)",
        "if (acked !== null || change !== null)",
      ),
    ],
    { seed: 41034, nodes: 3 },
  ),
  mutant(
    "barrier_before_cut",
    "§7 remove, k up",
    [
      edit(
        `${CORE}/membership.ts`,
        "if (acked !== null && acked > change.since)",
        "if (acked !== null && acked > change.since - 60_000)",
      ),
    ],
    { seed: 41034, nodes: 3 },
  ),
  mutant(
    "kup_cas_first",
    "§7 k up",
    [
      edit(
        `${CORE}/membership.ts`,
        `  return [
    {
      do: "raise-acks",
      acks: next,
      voters: state.voters,
      why: \`\${ready.length} voters acknowledge: acks \${state.acks} → \${next}\`,
    },
  ];`,
        `  return commit(seen, { kind: "acks-up", uuid: null, voters: state.voters, acks: next }, "mutant");`,
      ),
    ],
    { seed: 41000, nodes: 3 },
  ),
  mutant(
    "kdn_local_first",
    "§7 k down",
    [
      edit(
        `${EXECUTE}/membership.ts`,
        "    const done = await writeState(hands, next, action.index);",
        '    if (kind === "acks-down" && acks > 0) await mysqldOf(hands).setAcks(acks);\n    const done = await writeState(hands, next, action.index);',
      ),
    ],
    { seed: 41022, nodes: 3 },
  ),
  mutant(
    "alone_release_first",
    "§7 alone",
    [
      edit(
        `${EXECUTE}/membership.ts`,
        "    await mysqld.setAccounts({ unlocked: [], locked, keep: [] });",
        "    await mysqld.setAccounts({ unlocked: [], locked, keep: [] });\n    await mysqld.releaseWaiters();",
      ),
    ],
    { seed: 41001, nodes: 3 },
  ),
  mutant(
    "alone_no_cut",
    "§7 alone",
    [
      edit(
        `${EXECUTE}/membership.ts`,
        "    await mysqld.setAccounts({ unlocked: [], locked, keep: [] });",
        "    void locked;",
      ),
    ],
    null,
    "OPEN: not noticed within 110 schedules; it needs a story of its own",
  ),
  mutant(
    "no_cas",
    "§1",
    [
      edit(
        `${EXECUTE}/hands.ts`,
        '{ do: "cas", key: keys.state, value: JSON.stringify(next), index },',
        '{ do: index < 0 ? "delete" : "set", key: keys.state, value: JSON.stringify(next) },',
      ),
    ],
    { seed: 41012, nodes: 3 },
  ),
  mutant(
    "no_check_session",
    "§1",
    [
      edit(
        `${EXECUTE}/hands.ts`,
        '    { do: "check-session", key: keys.leader, session: sessionOf(hands) },\n    { do: "cas", key: keys.state,',
        '    { do: "cas", key: keys.state,',
      ),
    ],
    null,
    "the CAS alone decides; the session check only spares a loser its next step",
  ),
  mutant(
    "abandon_in_doubt",
    "§7",
    [
      edit(
        `${EXECUTE}/membership.ts`,
        "if (done.ok || (await landed(hands, next, action.index))) await learn(hands, action);",
        "if (done.ok || (await landed(hands, next, action.index))) await learn(hands, action);\n    else memory.change = null;",
      ),
      edit(
        `${EXECUTE}/membership.ts`,
        "    const done = await writeState(hands, next, action.index);",
        "    const done = await writeState(hands, next, action.index).catch((e: unknown) => { memory.change = null; throw e; });",
      ),
    ],
    null,
    "OPEN: not noticed within 110 schedules; it needs a story of its own",
  ),
  mutant(
    "admit_while_removing",
    "§7 remove",
    [
      edit(
        `${CORE}/primary.ts`,
        'if (change?.kind === "alone" || (change !== null && change.uuid === intent.uuid)) continue;',
        "if (change !== null && change.since < 0) continue;",
      ),
    ],
    { seed: 41017, nodes: 3 },
  ),
  mutant(
    "wipe_a_voter",
    "§7 rebuild",
    [
      edit(
        `${CORE}/following.ts`,
        "  if (voter) return hold(`cannot follow, waiting to be removed from V: ${why}`);\n",
        "",
      ),
      edit(
        `${CORE}/rebuild.ts`,
        '  if (voters.includes(me)) return "this node is still in V";\n',
        "",
      ),
    ],
    { seed: 41003, nodes: 3 },
  ),
  mutant(
    "lower_acks_unread",
    "§6 never",
    [
      edit(
        `${EXECUTE}/membership.ts`,
        "if (!mine || !settled || !newest || state?.value.acks !== acks) return;",
        "if (state === null && !mine && !settled && !newest) return;",
      ),
    ],
    null,
    "OPEN: not noticed within 110 schedules; it needs a story of its own",
  ),
];
