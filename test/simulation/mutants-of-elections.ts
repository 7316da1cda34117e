// Rules of promises and elections (PROTOCOL.md §2–§5), each with the edit that removes it and the race that
// notices.
import { CORE, EXECUTE, SIM, edit, race, type Mutant } from "./mutant.ts";

export const ELECTION_MUTANTS: readonly Mutant[] = [
  {
    rule: "no_epoch_compare",
    says: "the newest joined epoch wins, before any comparison of sets",
    section: "§4 step 5",
    serves: ["I6", "(1)"],
    edits: [
      edit(
        `${CORE}/choice.ts`,
        "  const newest = Math.max(...promises.map((p) => p.joined));\n  const best = promises.filter((p) => p.joined === newest);",
        "  const most = Math.max(...promises.map((p) => size(heldSet(p))));\n  const best = promises.filter((p) => size(heldSet(p)) === most);",
      ),
      edit(
        `${CORE}/choice.ts`,
        "import { contains, formatGtidSet, gtidSet, subtract,",
        "import { contains, formatGtidSet, gtidSet, size, subtract,",
      ),
    ],
    kills: [race("an old tail is longer than the new epoch", "(1)")],
  },
  {
    rule: "winner_need_not_hold_T",
    says: "the winner holds everything that was promised, or copies it first",
    section: "§4 step 5",
    serves: ["I6", "(1)"],
    edits: [
      edit(
        `${CORE}/choice.ts`,
        "const winner = prefer(o, holders.filter(eligible));",
        "const winner = prefer(o, best.filter(eligible));",
      ),
      edit(
        `${CORE}/electing.ts`,
        "  const rest = fetchRest(o, o.server, verdict);\n  if (rest !== null) return rest;\n  if (!contains(gtidSet(o.server.executed), verdict.target))",
        "  void fetchRest;\n  if (o.server.source !== null && !contains(gtidSet(o.server.executed), gtidSet(o.server.retrieved)))",
      ),
    ],
    kills: [race("B stands, and A holds more", "(1)")],
  },
  {
    rule: "publish_early",
    says: "nobody publishes itself before it holds everything",
    section: "§4 step 8",
    serves: ["I6", "(1)"],
    edits: [
      edit(
        `${CORE}/electing.ts`,
        "  if (winner.uuid !== o.me.uuid)\n    return giveUp(`${winner.node} is the better candidate`, winner.uuid);\n",
        '  if (winner.uuid !== o.me.uuid)\n    return [{ do: "publish", epoch: state.epoch, from: state, index, why: "mutant" }, { do: "kill-mysqld", why: "mutant: it lacks something" }];\n',
      ),
      edit(
        `${EXECUTE}/election.ts`,
        "if (!running || ready?.epoch !== epoch || ready.incarnation !== incarnation) return;",
        "if (!running && ready === undefined) return;",
      ),
    ],
    kills: [race("B stands, and A holds more", "(1)")],
  },
  {
    rule: "no_marker",
    says: "an epoch begins with its marker",
    section: "§4 step 9",
    serves: ["I7", "(3)"],
    edits: [
      edit(
        `${EXECUTE}/election.ts`,
        ".mark(markerOf(hands), epoch, MARKER_WITHIN_MS)",
        ".probe(false)",
      ),
    ],
    kills: [race("the primary's mysqld restarts", "I7")],
  },
  {
    rule: "marker_not_awaited",
    says: "nobody opens before its marker is acknowledged",
    section: "§4 step 9",
    serves: ["I7", "(3)"],
    edits: [
      edit(
        `${CORE}/primary.ts`,
        'if (primacy.stage !== "marked") return null;',
        'if (primacy.stage !== "marked" && primacy.stage !== "marking") return null;',
      ),
    ],
    kills: [race("the primary's mysqld restarts", "I7")],
  },
  {
    rule: "stale_join",
    says: "nobody follows an epoch below its promise",
    section: "§5",
    serves: ["I3", "(1)"],
    edits: [
      edit(
        `${CORE}/following.ts`,
        "if (state.epoch < o.promise.epoch)\n",
        "if (state.epoch < o.promise.epoch - 99)\n",
      ),
      edit(
        `${CORE}/decide.ts`,
        "if (state.ver < promise.ver || state.epoch < epoch)",
        "if (state.ver < 0)",
      ),
      edit(
        "recipes/mysql/registry.ts",
        "return known !== null && (entry === null || entry.index < known.index);",
        "return known !== null && entry === null;",
      ),
      edit(
        `${EXECUTE}/following.ts`,
        "return state?.value.epoch === epoch && state.value.voters.includes(uuidOf(hands));",
        "return state !== null || epoch > 0;",
      ),
    ],
    kills: [race("an old read of who is primary", "I3")],
    together:
      "Four looks refuse the same old state: the registry's index, `olderConsul`, FOLLOW's own comparison, and the consistent read before the flag.",
  },
  {
    rule: "promise_not_durable",
    says: "a promise is on the disk before its set is published",
    section: "§4 step 3",
    serves: ["I2"],
    edits: [
      edit(
        `${EXECUTE}/election.ts`,
        "    await disk.writePromise(next);\n    memory.promise = next;\n    rememberMissed",
        "    void disk;\n    memory.promise = next;\n    rememberMissed",
      ),
    ],
    kills: [race("the primary's mysqld restarts", "I2")],
  },
  {
    rule: "follow_unpromised",
    says: "an epoch is promised before it is followed",
    section: "§5",
    serves: ["I2"],
    edits: [edit(`${EXECUTE}/following.ts`, "      await hands.disk.writePromise(next);\n", "")],
    kills: [race("the primary's mysqld restarts", "I2")],
  },
  {
    rule: "io_not_stopped",
    says: "the receiver is stopped before the set is read",
    section: "§4 step 3",
    serves: ["I3", "(1)"],
    edits: [
      edit(
        `${EXECUTE}/election.ts`,
        "const facts = await mysqldOf(hands).stopReceiver();",
        "const facts = await mysqldOf(hands).observe();",
      ),
      edit(
        `${EXECUTE}/election.ts`,
        "    memory.answered = epoch;\n",
        "    memory.answered = epoch;\n    await mysqldOf(hands).stopReceiver();\n",
      ),
    ],
    kills: [race("a voter that promised is still connected", "(1)")],
  },
  {
    rule: "relay_log_recovery",
    says: "a restart keeps what was received (`my-cnf.ts`: relay_log_recovery=OFF); simulated in the server",
    section: "§2",
    serves: ["I5", "(1)"],
    edits: [
      edit(
        `${SIM}/sim-server.ts`,
        "      this.ready = true;\n",
        "      this.receiver.discard();\n      this.ready = true;\n",
      ),
    ],
    kills: [race("a replica restarts with what it has not applied", "I5")],
  },
  {
    rule: "reopen_same_epoch",
    says: "any exit of mysqld ends its epoch",
    section: "§4",
    serves: ["I8", "(3)"],
    edits: [
      edit(
        `${CORE}/primary.ts`,
        '  const why = `mysqld ended: ${process.lastExit ?? "unknown"}`;\n',
        '  const why = `mysqld ended: ${process.lastExit ?? "unknown"}`;\n  if (!process.running || o.server === null || o.consul.state === null) return null;\n  if (o.consul.state.value.epoch === primacy.epoch) return [{ do: "take-over", epoch: primacy.epoch, acks: o.consul.state.value.acks, why }, { do: "publish", epoch: primacy.epoch, from: o.consul.state.value, index: o.consul.state.index, why }];\n',
      ),
      edit(`${CORE}/lifecycle.ts`, "if (o.primacy !== null) return null;", ""),
    ],
    kills: [race("the primary's mysqld restarts", "I8")],
  },
  {
    rule: "semisync_off_on_demote",
    says: "mysqld gets no SIGTERM while clients wait",
    section: "§6",
    serves: ["I9", "(1)"],
    edits: [
      edit(
        `${EXECUTE}/server.ts`,
        "const cut = mysqld !== null && (await killClients(hands));",
        "const cut = mysqld !== null || (await killClients(hands));",
      ),
    ],
    kills: [race("SIGTERM while commits wait", "I9")],
  },
  {
    rule: "nonvoter_candidate",
    says: "only a voter stands for election",
    section: "§4 step 0",
    serves: ["I4", "(1)"],
    edits: [
      edit(
        `${CORE}/following.ts`,
        "if (voter && o.consul.leader?.session == null) return null;",
        "if (o.consul.leader?.session == null) return null;",
      ),
      edit(
        `${CORE}/candidate.ts`,
        'if (me.uuid === null || !state.voters.includes(me.uuid)) return "not a voter";',
        'if (me.uuid === null) return "not a voter";',
      ),
      edit(`${CORE}/candidate.ts`, "state.voters.includes(p.uuid) && !p.amnesiac", "!p.amnesiac"),
      edit(
        `${CORE}/following.ts`,
        'const asked = state.phase === "electing" && state.voters.includes(o.me.uuid);',
        'const asked = state.phase === "electing";',
      ),
    ],
    kills: [race("a node outside of V stands for election", "(1)")],
    together:
      "A node outside of V is asked by nobody, does not stand, is not counted, and follows instead: each alone is enough.",
  },
  {
    rule: "nonvoter_promise",
    says: "only promises of V count",
    section: "§4 step 2",
    serves: ["I4", "(1)"],
    edits: [
      edit(`${CORE}/candidate.ts`, "state.voters.includes(p.uuid) && !p.amnesiac", "!p.amnesiac"),
      edit(
        `${CORE}/following.ts`,
        'const asked = state.phase === "electing" && state.voters.includes(o.me.uuid);',
        'const asked = state.phase === "electing";',
      ),
    ],
    kills: [race("a node outside of V is asked for its promise", "(1)")],
    together: "An outsider does not answer, and its answer would not be counted.",
  },
  {
    rule: "prev_is_opened",
    says: "prev_primary is the last published one, opened or not",
    section: "§4 step 2",
    serves: ["I6", "(1)"],
    edits: [
      edit(
        `${CORE}/state.ts`,
        "return state.primary ?? state.prevPrimary;",
        'return state.phase === "open" ? state.primary : state.prevPrimary;',
      ),
    ],
    kills: [race("open, and Consul has not learnt it", "(1)")],
  },
  {
    rule: "stale_v",
    says: "an election takes V and k by the compare-and-set that raises the epoch",
    section: "§4 step 2",
    serves: ["I1", "(1)"],
    edits: [
      edit(
        `${EXECUTE}/election.ts`,
        '{ do: "cas", key: keys.state, value: JSON.stringify(next), index },',
        '{ do: index < 0 ? "delete" : "set", key: keys.state, value: JSON.stringify(next) },',
      ),
    ],
    kills: [race("an election from an old read of V", "I1")],
  },
  {
    rule: "electing_shrink",
    says: "a candidate changes neither V nor k",
    section: "§4 step 2",
    serves: ["I1", "(1)"],
    edits: [
      edit(
        `${CORE}/state.ts`,
        "    prevPrimary: lastPublished(state),\n    voters: state.voters,",
        "    prevPrimary: lastPublished(state),\n    voters: state.voters.filter((v) => v !== lastPublished(state)),",
      ),
    ],
    kills: [race("the primary's mysqld restarts", "I1")],
  },
  {
    rule: "small_quorum",
    says: "q = N − k",
    section: "§1",
    serves: ["I6", "(1)"],
    edits: [
      edit(
        `${CORE}/state.ts`,
        "return state.voters.length - state.acks;",
        "return Math.max(1, state.voters.length - state.acks - 1);",
      ),
    ],
    kills: [race("B stands, and A holds more", "(1)")],
  },
];
