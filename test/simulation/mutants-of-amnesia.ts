// Rules of disks that go back in time (PROTOCOL.md §2, S29), each with the edit that removes it and the race that notices.
import { CORE, EXECUTE, edit, race, type Mutant } from "./mutant.ts";

export const AMNESIA_MUTANTS: readonly Mutant[] = [
  {
    rule: "amnesia_votes",
    says: "an amnesiac's promise does not count",
    section: "§2",
    serves: ["I5", "(1)"],
    edits: [
      edit(
        `${CORE}/candidate.ts`,
        "state.voters.includes(p.uuid) && !p.amnesiac",
        "state.voters.includes(p.uuid)",
      ),
      edit(
        `${CORE}/candidate.ts`,
        'if (me.amnesiac) return "amnesiac: cannot prove what it acknowledged";',
        "",
      ),
    ],
    kills: [race("a voter forgets and is asked", "(1)")],
    together: "It neither counts nor stands.",
  },
  {
    rule: "amnesia_unseen",
    says: "a disk that went back in time is noticed",
    together: "It has promised less than it said, and it holds less than it said.",
    section: "§2 S29",
    serves: ["I5", "(1)"],
    edits: [
      edit(
        `${CORE}/amnesia.ts`,
        "(said.amnesiac || said.promised > promise.epoch)",
        "said.amnesiac",
      ),
      edit(
        `${CORE}/amnesia.ts`,
        "return !contains(heldSet(server), heldSet(said));",
        "return false;",
      ),
    ],
    kills: [race("a voter forgets and is asked", "(1)")],
  },
  {
    rule: "amnesia_forgotten",
    says: "a node that forgot is still amnesiac after a restart, although it has promised since",
    section: "§2 S29",
    serves: ["I5", "(1)"],
    edits: [
      edit(`${CORE}/amnesia.ts`, "if (promise.amnesiac === true) return true;", ""),
      edit(`${CORE}/amnesia.ts`, "said.amnesiac || ", ""),
    ],
    kills: [race("a voter forgets, follows, restarts, and is asked", "(1)")],
    together: "Its disk says so, and its record does.",
  },
  {
    rule: "amnesia_said",
    says: "a node whose last record said that it forgot is amnesiac, also before it has promised again",
    section: "§2 S29",
    serves: ["I5", "(1)"],
    edits: [edit(`${CORE}/amnesia.ts`, "said.amnesiac || ", "")],
    kills: [race("a voter forgets within an epoch, says so, and restarts", "(1)")],
  },
  {
    rule: "held_less_than_said",
    says: "a datadir that holds less than its record says went back in time, also within an epoch",
    section: "§2 S29",
    serves: ["I5", "(1)"],
    edits: [
      edit(
        `${CORE}/amnesia.ts`,
        "return !contains(heldSet(server), heldSet(said));",
        "return false;",
      ),
    ],
    kills: [race("a voter forgets what it has acknowledged since its last promise", "(1)")],
  },
  {
    rule: "says_less_without_server",
    says: "a record never says less of a datadir than was said of it, while its mysqld is down",
    section: "§2 S29",
    serves: ["I5", "(1)"],
    edits: [edit(`${CORE}/report.ts`, "server ?? me.held", "server")],
    kills: [race("a voter forgets within an epoch, and restarts before its server runs", "(1)")],
  },
  {
    rule: "promised_before_it_recalled",
    says: "a node promises nothing before it has read what Consul remembers of it",
    section: "§2 S29",
    serves: ["I5", "(1)"],
    edits: [
      edit(`${CORE}/decide.ts`, "    recall(o) ??", ""),
      edit(
        `${CORE}/amnesia.ts`,
        "return !contains(heldSet(server), heldSet(said));",
        "return false;",
      ),
    ],
    kills: [race("a voter forgets, and is asked before it has read what it said", "(1)")],
    together: "A promise that came first hides an older one; what the datadir lacks tells as well.",
  },
  {
    rule: "amnesia_not_noted",
    says: "that a node forgot is on the disk with whatever it promises next",
    together: "Its disk says so, and its record does.",
    section: "§2 S29",
    serves: ["I5", "(1)"],
    edits: [
      edit(
        "recipes/mysql/recall.ts",
        "memory.promise = { ...memory.promise, amnesiac: true };",
        "memory.amnesiac = true;",
      ),
      edit(`${CORE}/amnesia.ts`, "said.amnesiac || ", ""),
    ],
    kills: [race("a voter forgets, follows, restarts, and is asked", "(1)")],
  },
  {
    rule: "spoke_before_it_read",
    says: "a node compares with its old record before it writes a new one, or it takes that for its old one",
    section: "§2 S29",
    serves: ["I5", "liveness"],
    edits: [
      edit("recipes/mysql/reconciler.ts", "    if (memory.amnesiac === null) return null;\n", ""),
    ],
    kills: [race("a voter forgets and is asked", "liveness")],
  },
  {
    rule: "forgiven_in_V",
    says: "a voter stays amnesiac until it was outside of V",
    section: "§2",
    serves: ["I5", "(1)"],
    edits: [
      edit(
        `${EXECUTE}/following.ts`,
        "if (state === null || state.value.voters.includes(uuidOf(hands))) return;",
        "if (state === null) return;",
      ),
    ],
    kills: [race("a voter forgets, follows, and is asked", "(1)")],
  },
  {
    rule: "copy_acts",
    says: "a node does nothing before it has read its record: a copy of a datadir nothing while the other one runs",
    section: "§2 twice",
    serves: ["I1", "(2)"],
    edits: [edit(`${CORE}/decide.ts`, "    recall(o) ??", "")],
    kills: [race("a copy of the primary's datadir starts", "ghost")],
  },
  {
    rule: "copy_speaks",
    says: "a record from another place is not written over before it has stood still",
    section: "§2 twice",
    serves: ["I1", "(2)"],
    edits: [
      edit(
        "recipes/mysql/recall.ts",
        "if (before?.index === index) return now - before.since >= MOVED_AFTER_MS;",
        "if (before?.index === index) return true;",
      ),
    ],
    kills: [race("a copy of the primary's datadir starts", "ghost")],
  },
];
