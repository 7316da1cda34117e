// Rules of V, k, rebuilds and the key `state` (PROTOCOL.md §1, §7), each with the edit that removes it and the race that notices.
import { CORE, EXECUTE, edit, race, type Mutant } from "./mutant.ts";

export const MEMBERSHIP_MUTANTS: readonly Mutant[] = [
  {
    rule: "nonvoter_acks",
    says: "who is outside of V does not acknowledge",
    section: "§7",
    serves: ["I4", "I10", "(1)"],
    edits: [
      edit(`${CORE}/following.ts`, "const semiSync = voter;", "const semiSync = voter || true;"),
      edit(
        `${EXECUTE}/following.ts`,
        "return state?.value.epoch === epoch && state.value.voters.includes(uuidOf(hands));",
        "return state?.value.epoch === epoch;",
      ),
      edit(`${CORE}/membership.ts`, "    kickStrangers(seen) ??\n", ""),
    ],
    kills: [race("a node acknowledges before it is in V", "I10")],
    together: "The node's own read, the consistent read, and the kick by the primary.",
  },
  {
    rule: "add_ack_first",
    says: "the flag goes ON after a consistent read of V",
    section: "§7 add",
    serves: ["I4", "I10", "(1)"],
    edits: [
      edit(
        `${CORE}/following.ts`,
        "const semiSync = voter;",
        "const semiSync = voter || state.voters.length < o.policy.voters;",
      ),
      edit(
        `${EXECUTE}/following.ts`,
        "return state?.value.epoch === epoch && state.value.voters.includes(uuidOf(hands));",
        "return state?.value.epoch === epoch;",
      ),
    ],
    kills: [race("a node acknowledges before it is in V", "I10")],
    together: "The node's own read and the consistent one.",
  },
  {
    rule: "flag_unread",
    says: "an old read of V does not put the flag ON",
    section: "§7 add",
    serves: ["I4", "I10"],
    edits: [
      edit(
        `${EXECUTE}/following.ts`,
        "  const state = await consistentState(hands);\n  if (state !== null && !isNoted(hands.memory.promise, state.value)) await note(hands, state.value);\n  return state?.value.epoch === epoch && state.value.voters.includes(uuidOf(hands));",
        "  const state = epoch > 0 ? null : await consistentState(hands);\n  if (state !== null && !isNoted(hands.memory.promise, state.value)) await note(hands, state.value);\n  return state === null;",
      ),
      edit(`${CORE}/primary.ts`, "if (!voter && intent.ver < state.ver) continue;", ""),
      edit(`${CORE}/membership.ts`, "    kickStrangers(seen) ??\n", ""),
      edit(
        "recipes/mysql/observe.ts",
        "return peers.some((p) => p.seenVer > ver || p.seenEpoch > epoch);",
        "return peers.some((p) => p.seenVer > ver && p.seenEpoch > epoch && ver < 0);",
      ),
      edit(
        `${CORE}/decide.ts`,
        "if (knows === undefined) return null;",
        "if (knows === undefined || o.now > 0) return null;",
      ),
    ],
    kills: [race("a node that was removed reads that it was not", "I10")],
    together:
      "The consistent read, the account that stays locked for what was said of an older V, and the kick.",
  },
  {
    rule: "rm_no_cut",
    says: "a voter is cut before it is removed",
    section: "§7 remove",
    serves: ["I4", "I10", "(1)"],
    edits: [
      edit(
        `${EXECUTE}/membership.ts`,
        "    await mysqldOf(hands).cut(serverId, uuid);\n",
        "    void serverId;\n",
      ),
    ],
    kills: [race("the voter that has it is removed", "I4")],
  },
  {
    rule: "rm_no_barrier",
    says: "the rest acknowledges a heartbeat before the CAS",
    section: "§7 remove",
    serves: ["I10", "(1)"],
    edits: [
      edit(
        `${CORE}/membership.ts`,
        "if (acked !== null && acked > change.since)",
        "if (acked !== null || change !== null)",
      ),
    ],
    kills: [race("the voter that has it is removed", "(1)")],
  },
  {
    rule: "barrier_before_cut",
    says: "that heartbeat started after the cut",
    section: "§7 remove",
    serves: ["I10", "(1)"],
    edits: [
      edit(
        `${CORE}/membership.ts`,
        "if (acked !== null && acked > change.since)",
        "if (acked !== null && acked > change.since - 60_000)",
      ),
    ],
    kills: [race("the voter that has it is removed", "(1)")],
  },
  {
    rule: "rejoin_before_cas",
    says: "a cut stays cut while its change is under way",
    section: "§7 remove",
    serves: ["I4", "I10", "(1)"],
    edits: [
      edit(
        `${CORE}/primary.ts`,
        'if (change?.kind === "alone" || (change !== null && change.uuid === intent.uuid)) continue;',
        "if (change !== null && change.since < 0) continue;",
      ),
    ],
    kills: [race("the voter that has it is removed", "I4")],
  },
  {
    rule: "kup_cas_first",
    says: "k rises on the server before it does in Consul",
    section: "§7 k up",
    serves: ["I10", "(1)"],
    edits: [
      edit(
        `${CORE}/membership.ts`,
        '  return [\n    {\n      do: "raise-acks",\n      acks: next,\n      voters: state.voters,\n      why: `${ready.length} voters acknowledge: acks ${state.acks} → ${next}`,\n    },\n  ];',
        '  return commit(seen, { kind: "acks-up", uuid: null, voters: state.voters, acks: next }, "mutant");',
      ),
    ],
    kills: [race("k rises over what only one has", "I10")],
  },
  {
    rule: "kup_no_barrier",
    says: "k+1 acknowledge a heartbeat before k rises in Consul",
    section: "§7 k up",
    serves: ["I10", "(1)"],
    edits: [
      edit(
        `${CORE}/membership.ts`,
        "if (acked !== null && acked > change.since)",
        'if (change.kind === "acks-up" || (acked !== null && acked > change.since))',
      ),
    ],
    kills: [race("k rises over what only one has", "(1)")],
  },
  {
    rule: "back_cas_first",
    says: "the way back from alone: the server first",
    section: "§7 back",
    serves: ["I10", "(1)"],
    edits: [
      edit(
        `${CORE}/membership.ts`,
        '  return [\n    {\n      do: "raise-acks",',
        '  if (state.acks === 0) return commit(seen, { kind: "acks-up", uuid: null, voters: state.voters, acks: 1 }, "mutant");\n  return [\n    {\n      do: "raise-acks",',
      ),
    ],
    kills: [race("alone, and one that was not told", "I10")],
  },
  {
    rule: "kdn_local_first",
    says: "k falls in Consul before it does on the server",
    section: "§7 k down",
    serves: ["I10", "(1)"],
    edits: [
      edit(
        `${EXECUTE}/membership.ts`,
        "    const done = await writeState(hands, next, action.index);",
        '    if (kind === "acks-down" && acks > 0) await mysqldOf(hands).setAcks(acks);\n    const done = await writeState(hands, next, action.index);',
      ),
    ],
    kills: [race("a raise of k that arrived and whose answer did not", "I10")],
  },
  {
    rule: "alone_release_first",
    says: "waiting commits return after the CAS",
    section: "§7 alone",
    serves: ["I9", "I10", "(1)"],
    edits: [
      edit(
        `${EXECUTE}/membership.ts`,
        "    await mysqld.setAccounts({ unlocked: [], locked, keep: [] });",
        "    await mysqld.setAccounts({ unlocked: [], locked, keep: [] });\n    await mysqld.releaseWaiters();",
      ),
    ],
    kills: [race("going alone, and Consul says no", "I10")],
  },
  {
    rule: "alone_no_cut",
    says: "all others are cut before a primary goes alone",
    section: "§7 alone",
    serves: ["I4", "I10", "(1)"],
    edits: [
      edit(
        `${EXECUTE}/membership.ts`,
        "    await mysqld.setAccounts({ unlocked: [], locked, keep: [] });",
        "    void locked;",
      ),
    ],
    kills: [race("alone, and one that was not told", "I4")],
  },
  {
    rule: "no_cas",
    says: "V and k change by compare-and-set",
    section: "§1",
    serves: ["I1", "I10", "(1)"],
    edits: [
      edit(
        `${EXECUTE}/hands.ts`,
        '{ do: "cas", key: keys.state, value: JSON.stringify(next), index },',
        '{ do: index < 0 ? "delete" : "set", key: keys.state, value: JSON.stringify(next) },',
      ),
    ],
    kills: [race("a removal whose answer is late", "I4")],
  },
  {
    rule: "no_check_session",
    says: "every write of `state` is by the holder of the lock",
    section: "§1",
    serves: ["I1"],
    edits: [
      edit(
        `${EXECUTE}/hands.ts`,
        '    { do: "check-session", key: keys.leader, session: sessionOf(hands) },\n    { do: "cas", key: keys.state,',
        '    { do: "cas", key: keys.state,',
      ),
    ],
    kills: [race("going alone, and Consul says no", "late write")],
  },
  {
    rule: "abandon_in_doubt",
    says: "a change whose answer is lost stays in force",
    section: "§7",
    serves: ["I10", "(1)"],
    edits: [
      edit(
        `${EXECUTE}/membership.ts`,
        "    const done = await writeState(hands, next, action.index);",
        "    const done = await writeState(hands, next, action.index).catch((e: unknown) => { memory.change = null; throw e; });",
      ),
    ],
    kills: [race("a removal whose answer is late", "I4")],
  },
  {
    rule: "change_not_remembered",
    says: "a change is remembered before it is sent",
    section: "§7",
    serves: ["I10", "(1)"],
    edits: [
      edit(
        `${EXECUTE}/membership.ts`,
        'memory.change = { kind, uuid, voters, acks, stage: "sent", since: clock.now() };',
        "memory.change = null; void clock;",
      ),
    ],
    kills: [race("a removal whose answer is late", "I4")],
  },
  {
    rule: "cas_refused_is_done",
    says: "a refused CAS is no change",
    section: "§7",
    serves: ["I9", "I10", "(1)"],
    edits: [
      edit(
        `${EXECUTE}/membership.ts`,
        "if (now === null || now.index === index) return false;",
        "if (now === null || now.index === index) return true;",
      ),
    ],
    kills: [race("going alone, and Consul says no", "I10")],
  },
  {
    rule: "lower_acks_unread",
    says: "a running primary waits for less only where a consistent read says so",
    section: "§6 never",
    serves: ["I10", "(1)"],
    edits: [
      edit(
        `${EXECUTE}/membership.ts`,
        "    const done = await writeState(hands, next, action.index);",
        "    const done = await writeState(hands, next, action.index).catch((e: unknown) => { memory.change = null; throw e; });",
      ),
      edit(
        `${EXECUTE}/membership.ts`,
        "if (!mine || !settled || !newest || state?.value.acks !== acks) return;",
        "void [mine, settled, newest];",
      ),
      edit(
        `${EXECUTE}/membership.ts`,
        "const state = await consistentState(hands);\n    const mine",
        "const state = hands.registry.facts().state;\n    const mine",
      ),
    ],
    kills: [race("a raise of k that arrived and whose answer did not", "I10")],
    together:
      "With abandon_in_doubt: as long as a change that was sent stays remembered, what this node has read of k is never too old.",
  },
  {
    rule: "wipe_a_voter",
    says: "only a non-voter's data is set aside",
    section: "§7 rebuild",
    serves: ["I4", "(1)"],
    edits: [
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
    kills: [race("SIGTERM while commits wait", "I4")],
    together: "The decision and the executor's own read.",
  },
  {
    rule: "set_aside_unread",
    says: "V is read again before data is set aside",
    section: "§7 rebuild",
    serves: ["I4", "(1)"],
    edits: [
      edit(
        `${EXECUTE}/aside.ts`,
        "  const state = await consistentState(hands);\n  await registry.refreshPeers(0);",
        "  const { state } = registry.facts();\n  void consistentState;\n  await registry.refreshPeers(0);",
      ),
      edit(
        "recipes/mysql/observe.ts",
        "return peers.some((p) => p.seenVer > ver || p.seenEpoch > epoch);",
        "return peers.some((p) => p.seenVer > ver && p.seenEpoch > epoch && ver < 0);",
      ),
      edit(
        `${CORE}/decide.ts`,
        "if (knows === undefined) return null;",
        "if (knows === undefined || o.now > 0) return null;",
      ),
    ],
    kills: [race("wiped while it is added", "I4")],
  },
];
