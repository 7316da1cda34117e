// Guards of the pure core (recipes/mysql/core): replicas and the primary; each with the edit that removes it and the test of
// test/core that dies. All other conditions of the core: test/mutation.
import { guard, unit, type Mutant } from "./mutant.ts";

export const DUTY_MUTANTS: readonly Mutant[] = [
  guard(
    "candidate_needs_a_voter",
    "§4 step 3",
    "I4",
    "only a voter answers a candidate",
    {
      file: "following",
      text: 'const asked = state.phase === "electing" && state.voters.includes(o.me.uuid);',
      instead: 'const asked = state.phase === "electing";',
    },
    unit(
      "laws",
      "elections (§4) > promises are given by closed voters, and never below what was promised",
    ),
  ),
  guard(
    "fenced_by_newer_epoch",
    "§4 step 3",
    "I3",
    "a primary that reads a newer epoch is fenced",
    {
      file: "following",
      text: 'if (!drained) return [{ do: "kill-mysqld", why: `${why}: fenced` }];',
      instead: "",
    },
    unit(
      "laws",
      "elections (§4) > promises are given by closed voters, and never below what was promised",
    ),
  ),
  guard(
    "promise_only_when_closed",
    "§4 step 3",
    "I3",
    "a server that is not closed is fenced before it promises",
    {
      file: "following",
      text: '  if (!o.server.superReadOnly)\n    return [{ do: "kill-mysqld", why: "not closed, and no primary: fenced" }];\n',
      instead: "",
    },
    unit(
      "laws",
      "elections (§4) > promises are given by closed voters, and never below what was promised",
    ),
  ),
  guard(
    "promise_once",
    "§4 step 3",
    "I2",
    "an epoch is promised to one candidate",
    {
      file: "following",
      text: "if (state.epoch < o.promise.epoch || o.answered >= state.epoch || o.server === null) return null;",
      instead: "if (state.epoch < o.promise.epoch || o.server === null) return null;",
    },
    unit(
      "promise",
      "a voter asked for its promise > gives it once in this agent's life, and again after a restart that lost the answer",
    ),
  ),
  guard(
    "replica_is_closed",
    "§5",
    "I3",
    "a replica that somebody opened is fenced",
    {
      file: "following",
      text: '  if (!o.server.superReadOnly)\n    return [{ do: "kill-mysqld", why: "a replica that is not closed: somebody opened it" }];\n',
      instead: "",
    },
    unit("following", "FOLLOW > a replica that somebody opened is fenced"),
  ),
  guard(
    "failed_primary_not_followed",
    "§5",
    "liveness",
    "a published primary without a lock is elected over, not followed",
    {
      file: "following",
      text: "if (voter && o.consul.leader?.session == null) return null;",
      instead: "",
    },
    unit(
      "following",
      "FOLLOW > of a voter gives way to an election where the lock is free, so that nobody follows the dead for ever",
    ),
  ),
  guard(
    "own_writes_found",
    "§10",
    "(4)",
    "an operator's write on a replica is found",
    {
      file: "following",
      text: "!isEmpty(notReceived(o.server, o.following.known)) &&",
      instead: "o.now < 0 &&",
    },
    unit(
      "following",
      "a replica in good order > follows anew where an operator wrote on it, which compares it with the primary at once (§10)",
    ),
  ),
  guard(
    "lost_says_only_a_voter",
    "§3 tier 2",
    "liveness",
    "only a voter says that the primary is lost",
    { file: "following", text: "if (voter && !said)", instead: "if (!said)" },
    unit("following", "tier 2 on a voter > of a node outside V has no voice"),
  ),
  guard(
    "asynchronous_account_when_off",
    "§7",
    "I4",
    "an account for asynchronous use only while the own flag is OFF",
    {
      file: "following",
      text: "if (!voter && o.server?.semiSync.replicaActive === true) return null;",
      instead: "",
    },
    unit(
      "following",
      "a replica without an open account > outside V never asks while its flag is still in effect: its acknowledgements would count",
    ),
  ),
  guard(
    "hold_keeps_data",
    "§7",
    "(4)",
    "rejoin hold: data that cannot follow is kept for a person",
    {
      file: "following",
      text: 'if (o.policy.rejoin === "hold" && !isOrdered(o))',
      instead: "if (o.now < 0)",
    },
    unit(
      "following",
      "data that cannot follow > is kept for a person where the configuration says so",
    ),
  ),
  guard(
    "settled_before_rebuild",
    "§7 rebuild",
    "(1)",
    "data is set aside only beside an open primary",
    {
      file: "rebuild",
      text: "if (markerUuid === null || !contains(gtidSet(primary.executed), gtidSet(committed)))",
      instead: "if (markerUuid === null)",
    },
    unit(
      "following",
      "data that cannot follow > is kept while the primary's marker is not committed, and while k other voters lack its position",
    ),
  ),
  guard(
    "amnesiac_holds",
    "§7 rebuild",
    "liveness",
    "what one that forgot holds now counts, or it and whoever cannot follow wait for each other",
    {
      file: "rebuild",
      text: "return !peer.amnesiac || contains(heldSet(peer), gtidSet(primary.executed));",
      instead: "return !peer.amnesiac;",
    },
    unit(
      "rebuild",
      "giving up data is safe > with an amnesiac's, once it holds all that the primary's newest record says",
    ),
  ),
  guard(
    "amnesiac_holds_again",
    "§7 rebuild",
    "(1)",
    "data is not set aside for one that forgot and has not received it again",
    {
      file: "rebuild",
      text: "return !peer.amnesiac || contains(heldSet(peer), gtidSet(primary.executed));",
      instead: "return true;",
    },
    unit(
      "rebuild",
      "giving up data is safe > with an amnesiac's, once it holds all that the primary's newest record says",
    ),
  ),
  guard(
    "exit_ends_the_epoch",
    "§4",
    "I8",
    "any exit of the primary's mysqld ends its epoch",
    {
      file: "primary",
      text: "if (process.running && process.incarnation === primacy.incarnation) return null;",
      instead: "if (process.running) return null;",
    },
    unit(
      "primary",
      "a primacy ends > also where mysqld runs again already: a restart is the end of the epoch",
    ),
  ),
  guard(
    "hang_is_killed",
    "§3 tier 1",
    "liveness",
    "a mysqld that hangs is killed",
    { file: "primary", text: "if (serverHangs(o))", instead: "if (o.now < 0 && serverHangs(o))" },
    unit("primary", "a primary is killed > where mysqld hangs"),
  ),
  guard(
    "half_drained_is_fenced",
    "§6",
    "I8",
    "a drain that ended half-way is fenced",
    {
      file: "primary",
      text: 'if (primacy.stage === "draining") return fence("a drain ended neither open nor closed");',
      instead: "",
    },
    unit("primary", "a primary is killed > where a drain failed in the middle"),
  ),
  guard(
    "semi_sync_fell_back",
    "S3",
    "I9",
    "a source that fell back to asynchronous is fenced",
    {
      file: "primary",
      text: 'if (state.acks > 0 && (!armed || (primacy.stage === "open" && !sourceActive)))',
      instead: "if (state.acks > 0 && !armed)",
    },
    unit("primary", "a primary is killed > where semi-sync fell back to asynchronous"),
  ),
  guard(
    "source_not_armed",
    "§4 step 7",
    "I10",
    "a source that waits for fewer than k is fenced",
    {
      file: "primary",
      text: "const armed = sourceEnabled && waitFor >= state.acks;",
      instead: "const armed = sourceEnabled;",
    },
    unit("primary", "a primary is killed > where it waits for fewer than k"),
  ),
  guard(
    "closed_by_somebody",
    "§4",
    "I8",
    "a primary that somebody closed does not open again",
    {
      file: "primary",
      text: '  if (primacy.stage === "open" && server.superReadOnly)\n    return fence("closed by somebody else: this epoch ends");\n',
      instead: "",
    },
    unit("primary", "a primary is killed > where somebody closed it"),
  ),
  guard(
    "their_turn",
    "§3",
    "liveness",
    "voters that ended the session get the lock for 5 s",
    {
      file: "primary",
      text: "if (theirs && freeMs < THEIR_TURN_MS)",
      instead: "if (theirs && freeMs < 0)",
    },
    unit(
      "primary",
      "the lock of a primary > that enough voters took away on purpose is left to them, but not for ever",
    ),
  ),
  guard(
    "another_epochs_state",
    "§7",
    "I1",
    "nobody changes another epoch's state",
    {
      file: "primary",
      text: '  if (entry.value.epoch !== primacy.epoch)\n    return hold("primary: Consul\'s state is of another epoch");\n',
      instead: "",
    },
    unit(
      "primary",
      "the state of another epoch is nobody's to change: not a step of membership, not a word to Consul",
    ),
  ),
  guard(
    "marker_within_30_s",
    "§4 step 9",
    "liveness",
    "a marker that nobody acknowledges ends the try",
    {
      file: "primary",
      text: "if (unmarked && o.now - primacy.since >= MARKER_WITHIN_MS) {",
      instead: "if (unmarked && o.now < 0) {",
    },
    unit("primary", "the way to open > ends after 30 s without it, so that somebody else may try"),
  ),
  guard(
    "min_acks_stays_closed",
    "§7",
    "(4)",
    "minAcks keeps a lone primary closed",
    {
      file: "primary",
      text: "if (state.acks < Math.min(o.policy.minAcks, o.policy.acks)) return null;",
      instead: "",
    },
    unit(
      "primary",
      "the way to open > stays closed with k = 0 where the policy wants an acknowledgement",
    ),
  ),
  guard(
    "no_consul_no_change",
    "§3",
    "I10",
    "without Consul nobody shrinks or goes alone",
    {
      file: "primary",
      text: "if (o.me.uuid === null || !o.consul.reachable || o.consul.paused) return null;",
      instead: "if (o.me.uuid === null || o.consul.paused) return null;",
    },
    unit(
      "primary",
      "a node that asks to replicate > waits while the cluster is paused or Consul is away",
    ),
  ),
  guard(
    "cut_stays_cut",
    "§7",
    "I10",
    "who is being cut is not admitted",
    {
      file: "primary",
      text: 'if (change?.kind === "alone" || (change !== null && change.uuid === intent.uuid)) continue;',
      instead: "if (change !== null && change.since < 0) continue;",
    },
    unit(
      "primary",
      "a node that asks to replicate > is not admitted while a change takes it out of V: a cut that is opened again is no cut",
    ),
  ),
  guard(
    "old_join_dropped",
    "§7",
    "I4",
    "a wish of an older epoch gives no account",
    {
      file: "primary",
      text: "if (intent.epoch !== state.epoch)",
      instead: "if (intent.epoch < 0)",
    },
    unit("primary", "a node that asks to replicate > is asked to ask again in this epoch"),
  ),
  guard(
    "admitted_when_off",
    "§7",
    "I4",
    "an outsider gets its account when it has said that its flag is OFF",
    { file: "primary", text: "if (!voter && intent.ver < state.ver) continue;", instead: "" },
    unit(
      "primary",
      "a node that asks to replicate > is not admitted by what it said before V changed: it might acknowledge still",
    ),
  ),
  guard(
    "account_while_clients",
    "S22",
    "liveness",
    "an account is made only while k acknowledge",
    {
      file: "primary",
      text: "if (!known && server.semiSync.clients < state.acks) continue;",
      instead: "",
    },
    unit(
      "primary",
      "a node that asks to replicate > gets a new account only while k voters acknowledge it, so that nobody's login waits (S22)",
    ),
  ),
];
