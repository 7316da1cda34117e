// The protocol's rules as the code has them, each with the edit that removes it, and a seed whose schedule then breaks an
// invariant (found by `npm run sim:mutants`). Names as in test/model/protocol.py where the rule is one of its.

export type Edit = { readonly file: string; readonly text: string; readonly instead: string };

export type Mutant = {
  readonly rule: string;
  /** PROTOCOL.md section. */
  readonly section: string;
  readonly edits: readonly Edit[];
  /** Seed and nodes of a schedule that notices; null: none is known. */
  readonly killer: { readonly seed: number; readonly nodes: number } | null;
  /** Where nothing in the simulation can notice, why. */
  readonly unnoticed?: string;
};

const CORE = "recipes/mysql/core";
const EXECUTE = "recipes/mysql/execute";

const edit = (file: string, text: string, instead: string): Edit => ({ file, text, instead });

const mutant = (
  rule: string,
  section: string,
  edits: readonly Edit[],
  killer: Mutant["killer"] = null,
): Mutant => ({ rule, section, edits, killer });

export const MUTANTS: readonly Mutant[] = [
  mutant("small_quorum", "§1", [
    edit(
      `${CORE}/state.ts`,
      "return state.voters.length - state.acks;",
      "return Math.max(1, state.voters.length - state.acks - 1);",
    ),
  ]),
  mutant("no_epoch_compare", "§4 step 5", [
    edit(
      `${CORE}/candidate.ts`,
      "const best = promises.filter((p) => p.joined === newest);",
      "const best = newest < 0 ? [] : promises;",
    ),
  ]),
  mutant("winner_need_not_hold_T", "§4 step 5", [
    edit(
      `${CORE}/candidate.ts`,
      "const eligible = holders.filter((p) => !p.noFailover && !p.stopping);",
      "const eligible = best.filter((p) => !p.noFailover && !p.stopping);",
    ),
    edit(
      `${CORE}/electing.ts`,
      "if (!contains(gtidSet(o.server.executed), verdict.target))",
      "if (o.server.source !== null && !contains(gtidSet(o.server.executed), gtidSet(o.server.retrieved)))",
    ),
  ]),
  mutant("no_marker", "§4 step 9", [
    edit(
      `${EXECUTE}/election.ts`,
      ".mark(markerOf(hands), epoch, MARKER_WITHIN_MS)",
      ".probe(false)",
    ),
  ]),
  mutant("marker_not_awaited", "§4 step 9", [
    edit(
      `${CORE}/primary.ts`,
      'if (primacy.stage !== "marked") return null;',
      'if (primacy.stage !== "marked" && primacy.stage !== "marking") return null;',
    ),
  ]),
  mutant("stale_join", "§5", [
    edit(
      `${CORE}/following.ts`,
      "if (state.epoch < o.promise.epoch)\n",
      "if (state.epoch < o.promise.epoch - 99)\n",
    ),
  ]),
  mutant("promise_not_durable", "I2", [
    edit(
      `${EXECUTE}/election.ts`,
      "    await disk.writePromise(next);\n    memory.promise = next;\n    forgetPrimacy",
      "    void disk;\n    memory.promise = next;\n    forgetPrimacy",
    ),
  ]),
  mutant("promise_goes_back", "I2", [
    edit(
      `${CORE}/following.ts`,
      "if (state.epoch < o.promise.epoch || o.answered >= state.epoch || o.server === null) return null;",
      "if (o.answered >= state.epoch || o.server === null) return null;",
    ),
  ]),
  mutant("semisync_off_on_demote", "§6", [
    edit(
      `${EXECUTE}/server.ts`,
      "const cut = mysqld !== null && (await killClients(hands));",
      "const cut = mysqld !== null || (await killClients(hands));",
    ),
  ]),
  mutant("not_fenced_by_newer_epoch", "§4 step 3", [
    edit(
      `${CORE}/following.ts`,
      "if (o.primacy !== null && state.epoch > o.primacy.epoch) {",
      "if (o.primacy !== null && state.epoch > o.primacy.epoch + 99) {",
    ),
    edit(
      `${CORE}/following.ts`,
      'if (!o.server.superReadOnly)\n    return [{ do: "kill-mysqld", why: "not closed, and no primary: fenced" }];',
      "",
    ),
  ]),
  mutant("nonvoter_acks", "§7", [
    edit(`${CORE}/following.ts`, "const semiSync = voter;", "const semiSync = voter || true;"),
    edit(
      `${EXECUTE}/following.ts`,
      "return state?.value.epoch === epoch && state.value.voters.includes(uuidOf(hands));",
      "return state?.value.epoch === epoch;",
    ),
    edit(`${CORE}/membership.ts`, "    kickStrangers(seen) ??\n", ""),
  ]),
  mutant("rm_no_cut", "§7 remove", [
    edit(
      `${EXECUTE}/membership.ts`,
      "    await mysqldOf(hands).cut(serverId, uuid);\n",
      "    void serverId;\n",
    ),
  ]),
  mutant("rm_no_barrier", "§7 remove, k up", [
    edit(
      `${CORE}/membership.ts`,
      "if (acked !== null && acked > change.since)",
      "if (acked !== null || change !== null)",
    ),
  ]),
  mutant("barrier_before_cut", "§7 remove, k up", [
    edit(
      `${CORE}/membership.ts`,
      "if (acked !== null && acked > change.since)",
      "if (acked !== null && acked > change.since - 60_000)",
    ),
  ]),
  mutant("kup_cas_first", "§7 k up", [
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
  ]),
  mutant("kdn_local_first", "§7 k down", [
    edit(
      `${EXECUTE}/membership.ts`,
      "    const done = await writeState(hands, next, action.index);",
      '    if (kind === "acks-down" && acks > 0) await mysqldOf(hands).setAcks(acks);\n    const done = await writeState(hands, next, action.index);',
    ),
  ]),
  mutant("alone_release_first", "§7 alone", [
    edit(
      `${EXECUTE}/membership.ts`,
      "    await mysqld.setAccounts({ unlocked: [], locked, keep: [] });",
      "    await mysqld.setAccounts({ unlocked: [], locked, keep: [] });\n    await mysqld.releaseWaiters();",
    ),
  ]),
  mutant("alone_no_cut", "§7 alone", [
    edit(
      `${EXECUTE}/membership.ts`,
      "    await mysqld.setAccounts({ unlocked: [], locked, keep: [] });",
      "    void locked;",
    ),
  ]),
  mutant("no_cas", "§1", [
    edit(
      `${EXECUTE}/hands.ts`,
      '{ do: "cas", key: keys.state, value: JSON.stringify(next), index },',
      '{ do: index < 0 ? "delete" : "set", key: keys.state, value: JSON.stringify(next) },',
    ),
  ]),
  mutant("no_check_session", "§1", [
    edit(
      `${EXECUTE}/hands.ts`,
      '    { do: "check-session", key: keys.leader, session: sessionOf(hands) },\n    { do: "cas", key: keys.state,',
      '    { do: "cas", key: keys.state,',
    ),
  ]),
  mutant("abandon_in_doubt", "§7", [
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
  ]),
  mutant("nonvoter_candidate", "§4 step 0", [
    edit(
      `${CORE}/candidate.ts`,
      'if (me.uuid === null || !state.voters.includes(me.uuid)) return "not a voter";',
      'if (me.uuid === null) return "not a voter";',
    ),
    edit(
      `${CORE}/following.ts`,
      'const asked = state.phase === "electing" && state.voters.includes(o.me.uuid);',
      'const asked = state.phase === "electing";',
    ),
    edit(
      `${CORE}/candidate.ts`,
      "(p) => p.epoch === state.epoch && state.voters.includes(p.uuid) && !p.amnesiac,",
      "(p) => p.epoch === state.epoch && !p.amnesiac,",
    ),
  ]),
  mutant("prev_is_opened", "§4 step 2", [
    edit(
      `${CORE}/state.ts`,
      "return state.primary ?? state.prevPrimary;",
      'return state.phase === "open" ? state.primary : state.prevPrimary;',
    ),
  ]),
  mutant("prev_counts_in_quorum", "§4 step 4", [
    edit(
      `${CORE}/candidate.ts`,
      "const others = promises.filter((p) => p.uuid !== state.prevPrimary);",
      "const others = promises;",
    ),
  ]),
  mutant("admit_while_removing", "§7 remove", [
    edit(
      `${CORE}/primary.ts`,
      'if (change?.kind === "alone" || (change !== null && change.uuid === intent.uuid)) continue;',
      "if (change !== null && change.since < 0) continue;",
    ),
  ]),
  mutant("open_without_rereading", "§4 step 10", [
    edit(
      `${EXECUTE}/election.ts`,
      "    if (!mine || memory.primacy?.epoch !== epoch) return;\n    await mysqldOf(hands).open();",
      "    if (state === null || memory.primacy?.epoch !== epoch) return;\n    void mine;\n    await mysqldOf(hands).open();",
    ),
  ]),
  mutant("reacquire_without_rereading", "§3", [
    edit(
      `${EXECUTE}/election.ts`,
      "    if (state?.value.epoch !== epoch || state.value.primary !== memory.uuid) {\n      await killMysqld(hands);\n      return;\n    }\n",
      "    if (state === null) return killMysqld(hands);\n",
    ),
  ]),
  mutant("publish_any_incarnation", "I8", [
    edit(
      `${EXECUTE}/election.ts`,
      "if (!running || ready?.epoch !== epoch || ready.incarnation !== incarnation) return;",
      "if (!running && ready === undefined) return;",
    ),
    edit(
      `${CORE}/primary.ts`,
      "if (process.running && process.incarnation === primacy.incarnation) return null;",
      "if (process.running) return null;",
    ),
  ]),
  mutant("undrain_without_rereading", "§6", [
    edit(
      `${EXECUTE}/intents.ts`,
      "if (!same || memory.primacy === null) {",
      "if (memory.primacy === null || (state === null && !same)) {",
    ),
  ]),
  mutant("follow_errant", "§5", [
    edit(
      `${EXECUTE}/following.ts`,
      "  if (!isEmpty(errant)) {",
      "  if (!isEmpty(errant) && errant.length > 99) {",
    ),
  ]),
  mutant("wipe_a_voter", "§7 rebuild", [
    edit(
      `${CORE}/following.ts`,
      "  if (voter) return hold(`cannot follow, waiting to be removed from V: ${why}`);\n",
      "",
    ),
    edit(`${EXECUTE}/data.ts`, "    if (state.value.voters.includes(uuidOf(hands))) return;\n", ""),
  ]),
  mutant("lower_acks_unread", "§6 never", [
    edit(
      `${EXECUTE}/membership.ts`,
      "if (!mine || !settled || !newest || state?.value.acks !== acks) return;",
      "if (state === null && !mine && !settled && !newest) return;",
    ),
  ]),
];
