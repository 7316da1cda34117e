// Rules of elections, promises, following and fences (PROTOCOL.md §3–§6), each with the edit that removes it and a seed
// that noticed, or why nothing does.
import { CORE, edit, EXECUTE, mutant, type Mutant } from "./mutant.ts";

export const ELECTION_MUTANTS: readonly Mutant[] = [
  mutant(
    "no_epoch_compare",
    "§4 step 5",
    [
      edit(
        `${CORE}/choice.ts`,
        "const best = promises.filter((p) => p.joined === newest);",
        "const best = newest < 0 ? [] : promises;",
      ),
    ],
    { seed: 41055, nodes: 3 },
  ),
  mutant(
    "winner_need_not_hold_T",
    "§4 step 5",
    [
      edit(
        `${CORE}/choice.ts`,
        "const winner = prefer(o, holders.filter(eligible));",
        "const winner = prefer(o, best.filter(eligible));",
      ),
      edit(
        `${CORE}/electing.ts`,
        "if (contains(mine, target)) return null;",
        "if (mine.length >= 0) return null;",
      ),
      edit(
        `${CORE}/electing.ts`,
        "if (!contains(gtidSet(o.server.executed), verdict.target))",
        "if (o.server.source !== null && !contains(gtidSet(o.server.executed), gtidSet(o.server.retrieved)))",
      ),
    ],
    { seed: 41006, nodes: 3 },
  ),
  mutant(
    "no_marker",
    "§4 step 9",
    [
      edit(
        `${EXECUTE}/election.ts`,
        ".mark(markerOf(hands), epoch, MARKER_WITHIN_MS)",
        ".probe(false)",
      ),
    ],
    { seed: 41000, nodes: 3 },
  ),
  mutant(
    "marker_not_awaited",
    "§4 step 9",
    [
      edit(
        `${CORE}/primary.ts`,
        'if (primacy.stage !== "marked") return null;',
        'if (primacy.stage !== "marked" && primacy.stage !== "marking") return null;',
      ),
    ],
    { seed: 41001, nodes: 3 },
  ),
  mutant(
    "stale_join",
    "§5",
    [
      edit(
        `${CORE}/following.ts`,
        "if (state.epoch < o.promise.epoch)\n",
        "if (state.epoch < o.promise.epoch - 99)\n",
      ),
    ],
    null,
    "olderConsul refuses the same state first: an epoch below the promise is also below what was seen",
  ),
  mutant(
    "promise_not_durable",
    "I2",
    [
      edit(
        `${EXECUTE}/election.ts`,
        "    await disk.writePromise(next);\n    memory.promise = next;\n    forgetPrimacy",
        "    void disk;\n    memory.promise = next;\n    forgetPrimacy",
      ),
    ],
    { seed: 41000, nodes: 3 },
  ),
  mutant(
    "promise_goes_back",
    "I2",
    [
      edit(
        `${CORE}/following.ts`,
        "if (state.epoch < o.promise.epoch || o.answered >= state.epoch || o.server === null) return null;",
        "if (o.answered >= state.epoch || o.server === null) return null;",
      ),
    ],
    null,
    "olderConsul refuses the same state first, and the disk refuses a lower number",
  ),
  mutant(
    "semisync_off_on_demote",
    "§6",
    [
      edit(
        `${EXECUTE}/server.ts`,
        "const cut = mysqld !== null && (await killClients(hands));",
        "const cut = mysqld !== null || (await killClients(hands));",
      ),
    ],
    { seed: 41018, nodes: 3 },
  ),
  mutant(
    "not_fenced_by_newer_epoch",
    "§4 step 3",
    [
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
    ],
    { seed: 41005, nodes: 3 },
  ),
  mutant(
    "nonvoter_candidate",
    "§4 step 0",
    [
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
    ],
    { seed: 41023, nodes: 3 },
  ),
  mutant(
    "prev_is_opened",
    "§4 step 2",
    [
      edit(
        `${CORE}/state.ts`,
        "return state.primary ?? state.prevPrimary;",
        'return state.phase === "open" ? state.primary : state.prevPrimary;',
      ),
    ],
    null,
    "OPEN: not noticed within 110 schedules; it needs a story of its own",
  ),
  mutant(
    "prev_counts_in_quorum",
    "§4 step 4",
    [
      edit(
        `${CORE}/candidate.ts`,
        "const others = promises.filter((p) => p.uuid !== state.prevPrimary);",
        "const others = promises;",
      ),
    ],
    null,
    "equivalent: the promise of prev_primary is enough by itself",
  ),
  mutant(
    "open_without_rereading",
    "§4 step 10",
    [
      edit(
        `${EXECUTE}/election.ts`,
        "    if (!mine || memory.primacy?.epoch !== epoch) return;\n    const mysqld",
        "    if (state === null || memory.primacy?.epoch !== epoch) return;\n    void mine;\n    const mysqld",
      ),
    ],
    null,
    "the quorum protects: what opens late cannot be acknowledged; the read spares readers a stale server",
  ),
  mutant(
    "reacquire_without_rereading",
    "§3",
    [
      edit(
        `${EXECUTE}/election.ts`,
        "    if (state?.value.epoch !== epoch || state.value.primary !== memory.uuid) {\n      await killMysqld(hands);\n      return;\n    }\n",
        "    if (state === null) return killMysqld(hands);\n",
      ),
    ],
    null,
    "the lock alone gives nothing: a newer epoch fences as soon as it is read",
  ),
  mutant(
    "publish_any_incarnation",
    "I8",
    [
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
    ],
    null,
    "a server that was not armed is fenced by the guard before it opens",
  ),
  mutant(
    "undrain_without_rereading",
    "§6",
    [
      edit(
        `${EXECUTE}/intents.ts`,
        "if (!same || memory.primacy === null) {",
        "if (memory.primacy === null || (state === null && !same)) {",
      ),
    ],
    null,
    "the quorum protects, as for open_without_rereading",
  ),
  mutant(
    "follow_errant",
    "§5",
    [
      edit(
        `${EXECUTE}/following.ts`,
        "  if (!isEmpty(errant)) {",
        "  if (!isEmpty(errant) && errant.length > 99) {",
      ),
    ],
    { seed: 41003, nodes: 3 },
  ),
];
