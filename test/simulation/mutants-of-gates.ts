// Rules of arming, opening, coming back and following (PROTOCOL.md §3–§7), each with the edit that removes it and the race that
// notices.
import { CORE, EXECUTE, edit, onHands, race, type Mutant } from "./mutant.ts";

export const GATE_MUTANTS: readonly Mutant[] = [
  {
    rule: "open_without_rereading",
    says: "the gate opens only after a consistent read of its own epoch",
    section: "§4 step 10",
    serves: ["(2)", "(3)"],
    edits: [
      edit(
        `${EXECUTE}/election.ts`,
        "    if (!mine || memory.primacy?.epoch !== epoch) return;\n    const mysqld",
        "    if (state === null || memory.primacy?.epoch !== epoch) return;\n    void mine;\n    const mysqld",
      ),
    ],
    kills: [race("opens when another epoch is open", "late open")],
  },
  {
    rule: "reacquire_without_rereading",
    says: "a lock is taken back only after a consistent read of its own epoch",
    section: "§3",
    serves: ["(2)"],
    edits: [
      edit(
        `${EXECUTE}/election.ts`,
        "    if (state?.value.epoch !== epoch || state.value.primary !== memory.uuid) {\n      await killMysqld(hands);\n      return;\n    }\n",
        "    if (state === null) return killMysqld(hands);\n",
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
      edit(`${CORE}/primary.ts`, "joinedNewer(o, primacy.epoch);", "joinedNewer(o, o.now);"),
    ],
    kills: [race("takes the lock back when another epoch is open", "late lock")],
    together:
      "Others' records say what an old read does not: then `state` is read again (observe.ts), or not obeyed.",
  },
  {
    rule: "undrain_without_rereading",
    says: "a hand-over is taken back only after a consistent read of its own epoch",
    section: "§6",
    serves: ["(2)", "(3)"],
    edits: [
      edit(
        `${EXECUTE}/intents.ts`,
        "if (!same || memory.primacy === null) {",
        "if (memory.primacy === null || (state === null && !same)) {",
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
    kills: [race("opens again after a hand-over that went on without it", "late open")],
    together:
      "Others' records say what an old read does not: then `state` is read again (observe.ts), or not obeyed.",
  },
  {
    rule: "disarm_not_awaited",
    says: "a disarm that is under way ends before the server is armed",
    section: "§4 step 7",
    serves: ["I10"],
    edits: [edit(`${EXECUTE}/election.ts`, "    await disarmed(hands);\n", "    void disarmed;\n")],
    kills: [race("disarmed as it is armed", "spoilt election")],
  },
  {
    rule: "open_without_look",
    says: "the gate opens only if semi-sync is still as it was armed",
    section: "§4 step 10",
    serves: ["I7", "I9", "I10"],
    edits: [
      edit(`${EXECUTE}/election.ts`, "    await disarmed(hands);\n", "    void disarmed;\n"),
      edit(
        `${CORE}/primary.ts`,
        'if (state.acks > 0 && (!armed || (primacy.stage === "open" && !sourceActive)))',
        'if (state.acks > 99 && (!armed || (primacy.stage === "open" && !sourceActive)))',
      ),
      edit(
        `${EXECUTE}/election.ts`,
        "if (state.value.acks > 0 && !(armedNow && semiSync.waitFor >= state.value.acks)) {",
        "if (state.value.acks > 99 && !(armedNow && semiSync.waitFor >= state.value.acks)) {",
      ),
    ],
    kills: [race("disarmed as it is armed", "I10")],
    together:
      "An armed server cannot apply a newer marker, a disarm must not come late, the guard fences a source that is off, and the gate looks once more: each covers the others for most orders of events.",
  },
  {
    rule: "follow_errant",
    says: "data that the primary lacks is not followed with",
    section: "§5",
    serves: ["(4)"],
    edits: [
      edit(
        `${EXECUTE}/following.ts`,
        "  if (!isEmpty(errant)) {",
        "  if (!isEmpty(errant) && errant.length > 99) {",
      ),
    ],
    kills: [race("wiped while it is added", "liveness")],
  },
  {
    rule: "follow_purged",
    says: "data that the primary has purged the continuation of is made anew",
    section: "§5",
    serves: ["liveness"],
    edits: [
      edit(
        `${EXECUTE}/following.ts`,
        "if (!contains(heldSet(mine), gtidSet(theirs.purged))) {",
        'if (!contains(heldSet(mine), gtidSet(theirs.purged)) && theirs.uuid === "") {',
      ),
    ],
    kills: [race("purged while it was away", "liveness")],
  },
  {
    rule: "consul_restored",
    says: "a Consul that went back in time is not obeyed",
    section: "§7",
    serves: ["(1)"],
    edits: [
      edit(
        `${CORE}/decide.ts`,
        "if (state.ver < promise.ver || state.epoch < epoch)",
        "if (state.ver < 0)",
      ),
    ],
    kills: [race("Consul goes back to before it was alone", "(1)")],
  },
  {
    rule: "publish_unarmed",
    says: "only the incarnation that was armed for this epoch is published",
    section: "§4 step 8",
    serves: ["I7", "I8"],
    edits: [
      edit(
        `${EXECUTE}/election.ts`,
        "if (!running || ready?.epoch !== epoch || ready.incarnation !== incarnation) return;",
        "void [running, ready];",
      ),
    ],
    kills: [
      onHands(
        "publish (§4 step 8, I8) > does not for one that restarted since, or that was armed for another epoch",
      ),
    ],
  },
  {
    rule: "soft_fence_trusted",
    says: "a soft fence that did not close the server is a hard one",
    section: "§6",
    serves: ["I9"],
    edits: [
      edit(
        `${EXECUTE}/server.ts`,
        "const done = mysqld !== null && (await mysqld.softFence());",
        "const done = mysqld !== null && ((await mysqld.softFence()) || true);",
      ),
    ],
    kills: [
      onHands("soft-fence (§6) > kills what it could not close: a client could still be told OK"),
    ],
  },
  {
    rule: "reacquire_older",
    says: "a Consul that went back in time gives no lock back, and is no reason to fence",
    section: "§7",
    serves: ["(4)"],
    edits: [
      edit(
        `${EXECUTE}/election.ts`,
        "if (state === null || state.value.ver < known || state.value.epoch < epoch) return;",
        "if (state === null || known < 0) return;",
      ),
    ],
    kills: [
      onHands(
        "reacquire (§3) > neither takes it nor fences where Consul went back in time: that says nothing of another primary",
      ),
    ],
  },
  {
    rule: "change_sent_before_noted",
    says: "a configuration that is about to be sent is on the disk before",
    section: "§7a",
    serves: ["(1)"],
    edits: [edit(`${EXECUTE}/membership.ts`, "    await note(hands, action.from, next);\n", "")],
    kills: [
      onHands(
        "commit-change (§7a the note) > what is about to be sent is on the disk before it is sent, what is in Consul before it is acted upon",
      ),
    ],
  },
  {
    rule: "acted_before_noted",
    says: "a configuration that is in Consul is noted before waiters are released",
    section: "§7a",
    serves: ["(1)"],
    edits: [
      edit(`${EXECUTE}/membership.ts`, "  await note(hands, changed(from, voters, acks));\n", ""),
    ],
    kills: [
      onHands(
        "commit-change (§7a the note) > what is about to be sent is on the disk before it is sent, what is in Consul before it is acted upon",
      ),
    ],
  },
  {
    rule: "flag_not_noted",
    says: "a voter notes a configuration before its flag goes ON for it",
    section: "§7a",
    serves: ["(1)"],
    edits: [
      edit(
        `${EXECUTE}/following.ts`,
        "  if (state !== null && !isNoted(hands.memory.promise, state.value)) await note(hands, state.value);\n",
        "",
      ),
    ],
    kills: [
      onHands("a voter's flag (§7a the note) > goes ON for a configuration that is on its disk"),
    ],
  },
  {
    rule: "copy_by_own_account",
    says: "a candidate copies by the account that no primary locks",
    section: "§4 step 5",
    serves: ["liveness"],
    edits: [
      edit(
        `${EXECUTE}/election.ts`,
        "{ serverId: COPY_ACCOUNT }",
        "{ serverId: memory.serverId ?? 0 }",
      ),
    ],
    kills: [race("the candidate's account is locked on the holder", "closed")],
  },
];
