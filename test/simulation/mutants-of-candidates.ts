// Guards of the pure core (recipes/mysql/core): who stands, who wins, who is lost; each with the edit that removes it and the test of
// test/core that dies. All other conditions of the core: test/mutation.
import { guard, unit, type Mutant } from "./mutant.ts";

export const CANDIDATE_MUTANTS: readonly Mutant[] = [
  guard(
    "stopping_is_no_candidate",
    "§6",
    "liveness",
    "a stopping node does not stand for election",
    { file: "candidate", text: 'if (me.stopping) return "stopping";', instead: "" },
    unit("candidate-order", "who may try > a stopping node may not"),
  ),
  guard(
    "nofailover_is_no_candidate",
    "§4 step 0",
    "liveness",
    "a node tagged nofailover does not stand for election",
    { file: "candidate", text: 'if (me.noFailover) return "nofailover";', instead: "" },
    unit("candidate-order", "who may try > a node that is tagged nofailover may not"),
  ),
  guard(
    "amnesiac_is_no_candidate",
    "§2",
    "(1)",
    "an amnesiac node does not stand for election",
    {
      file: "candidate",
      text: 'if (me.amnesiac) return "amnesiac: cannot prove what it acknowledged";',
      instead: "",
    },
    unit("candidate-order", "who may try > an amnesiac may not"),
  ),
  guard(
    "paused_elects_nobody",
    "§4 step 0",
    "liveness",
    "a paused cluster elects nobody",
    {
      file: "candidate",
      text: 'if (o.consul.paused) return "the cluster is paused";',
      instead: "",
    },
    unit("candidate-order", "who may try > anybody while the cluster is paused may not"),
  ),
  guard(
    "open_is_no_candidate",
    "§4 step 0",
    "I3",
    "a server that is not closed does not stand for election",
    {
      file: "candidate",
      text: 'if (!server.superReadOnly) return "mysqld is not closed";',
      instead: "",
    },
    unit("candidate-order", "who may try > a node whose mysqld is open may not"),
  ),
  guard(
    "marker_newer_than_consul",
    "§7",
    "(1)",
    "nobody elects below an epoch marker in the data",
    {
      file: "candidate",
      text: "if (o.markerUuid !== null && joinedEpoch(server, o.markerUuid) > state.epoch)",
      instead: 'if (o.markerUuid === "")',
    },
    unit(
      "candidate-order",
      "who may try > a node whose data has a newer marker than Consul may not",
    ),
  ),
  guard(
    "veto",
    "§3",
    "liveness",
    "nobody elects while the primary's transactions arrive",
    {
      file: "candidate",
      text: 'if (vetoes(o)) return "the primary is alive: its transactions still arrive";',
      instead: "",
    },
    unit("candidate-order", "who may try > a node that still sees the primary may not"),
  ),
  guard(
    "veto_ends_with_its_word",
    "§3",
    "liveness",
    "a holder that closed itself has no veto",
    {
      file: "candidate",
      text: "if (value?.held === false && value.closed) return false;",
      instead: "",
    },
    unit(
      "candidate-order",
      "the veto > does not hold where the holder released the lock itself and had closed",
    ),
  ),
  guard(
    "cold_start_waits",
    "§4 step 4",
    "(1)",
    "a cold start waits for the last primary's own promise",
    {
      file: "candidate",
      text: "if (awaited && !o.sawPrimary && forMs < COLD_START_WAIT_MS)",
      instead: "if (forMs < 0)",
    },
    unit(
      "candidate",
      "a cold start > waits for the last primary's own promise, so that its tail does not make it errant",
    ),
  ),
  guard(
    "incomparable_refused",
    "§4 step 5",
    "(4)",
    "incomparable sets elect nobody",
    { file: "choice", text: "if (holders.length === 0) {", instead: "if (best.length === 0) {" },
    unit(
      "candidate",
      "the choice > elects nobody of incomparable sets, and lists what each of them lacks",
    ),
  ),
  guard(
    "winner_is_eligible",
    "§4 step 5",
    "liveness",
    "nofailover and stopping nodes do not win",
    {
      file: "choice",
      text: "const winner = prefer(o, holders.filter(eligible));",
      instead: "const winner = prefer(o, holders);",
    },
    unit("candidate", "the choice > is nobody where only ineligible nodes hold everything"),
  ),
  guard(
    "fetcher_has_nothing_else",
    "§4 step 5",
    "(1)",
    "only a node whose whole set is part of T copies the rest",
    {
      file: "choice",
      text: "return eligible(p) && contains(target, mine) && holders",
      instead: "return eligible(p) && holders",
    },
    unit(
      "electing",
      "a candidate > that lacks what only an ineligible node holds > does not copy what the holder has purged, nor mix its own tail in: it gives up",
    ),
  ),
  guard(
    "fetch_from_who_has_it",
    "§4 step 5",
    "liveness",
    "what was purged cannot be copied",
    {
      file: "choice",
      text: "return contains(mine, gtidSet(holder.purged));",
      instead: "return contains(mine, mine);",
    },
    unit(
      "electing",
      "a candidate > that lacks what only an ineligible node holds > does not copy what the holder has purged, nor mix its own tail in: it gives up",
    ),
  ),
  guard(
    "backs_off",
    "§4 step 4",
    "liveness",
    "an election without a result is followed by a pause",
    {
      file: "electing",
      text: "if (o.gaveUp !== null && o.now < o.gaveUp.at + backOffMs(o.gaveUp.times))",
      instead: "if (o.gaveUp !== null && o.now < 0)",
    },
    unit(
      "electing",
      "an election is started > not while it backs off from one that came to nothing",
    ),
  ),
  guard(
    "waits_its_turn",
    "§4 step 0",
    "liveness",
    "ranks order the tries",
    {
      file: "electing",
      text: "if (!holdsLock(o) && o.now < free + electAfterMs(o, state, FRESH_MS)) {",
      instead: "if (!holdsLock(o) && o.now < 0) {",
    },
    unit("electing", "an election is started > not while a better node has its head start"),
  ),
  guard(
    "ghost_only_its_own",
    "§3",
    "liveness",
    "only a lock of this node's own, from before, is ended",
    {
      file: "electing",
      text: "if (leader.value?.held !== true || leader.value.uuid !== o.me.uuid) return null;",
      instead: "if (leader.value?.held !== true) return null;",
    },
    unit("electing", "a lock of this node's life before this one > but not one of another node"),
  ),
  guard(
    "ghost_only_when_closed",
    "§3",
    "I8",
    "an own old lock is ended only while mysqld is closed",
    {
      file: "electing",
      text: "if (o.server !== null && !o.server.superReadOnly) return null;",
      instead: "",
    },
    unit(
      "electing",
      "a lock of this node's life before this one > but not one while this server is open",
    ),
  ),
  guard(
    "founder_keeps_its_lock",
    "§7",
    "liveness",
    "a founder keeps the lock until epoch 1",
    {
      file: "electing",
      text: "if ((o.consul.state?.value.epoch ?? 0) === 0) return null;",
      instead: "",
    },
    unit(
      "electing",
      "a lock in the hand of a node whose server is down > not where it is the founder's, before its first epoch: the server is started",
    ),
  ),
  guard(
    "promises_to_itself_first",
    "§4 step 3",
    "I2",
    "a candidate promises before it counts",
    {
      file: "electing",
      text: 'if (o.answered !== state.epoch || !own) return hold("promising to itself first");',
      instead: "",
    },
    unit("electing", "a candidate > never publishes before it has promised itself"),
  ),
  guard(
    "promises_within_10_s",
    "§4 step 3",
    "liveness",
    "a candidate without a quorum gives up, it never lowers q",
    {
      file: "electing",
      text: "return forMs < PROMISES_WITHIN_MS ? hold(`electing: ${verdict.why}`) : giveUp(verdict.why);",
      instead: "return hold(`electing: ${verdict.why}`);",
    },
    unit(
      "electing",
      "a candidate > waits for promises for 10 s, then gives up and says who is missing",
    ),
  ),
  guard(
    "drained_before_take_over",
    "§4 step 6",
    "(1)",
    "everything of T is applied before promotion",
    {
      file: "electing",
      text: "  if (!contains(gtidSet(o.server.executed), verdict.target))\n    return drain(o, lacking(verdict.target, gtidSet(o.server.executed)));\n",
      instead: "  void [contains, drain];\n",
    },
    unit(
      "electing",
      "a candidate > never publishes before everything that was promised is applied",
    ),
  ),
  guard(
    "applier_error_gives_up",
    "§4 step 6",
    "liveness",
    "an applier error leaves the field to another holder",
    {
      file: "electing",
      text: "if (source !== null && source.sqlErrno !== 0) return giveUp(`applier: ${source.sqlError}`);",
      instead: "",
    },
    unit(
      "electing",
      "a candidate > starts an applier that stands still, and gives up with one that has an error",
    ),
  ),
  guard(
    "q_voters_lost_it",
    "§3 tier 2",
    "liveness",
    "a session is ended by q voters, never by fewer",
    { file: "detection", text: "if (agreed.length < quorum(state)) return false;", instead: "" },
    unit(
      "detection",
      "tier 2: the primary's session may be ended > when q of the other voters have said so for half a second",
    ),
  ),
  guard(
    "nobody_sees_it",
    "§3 tier 2",
    "liveness",
    "not while a voter sees the heartbeat",
    { file: "detection", text: "if (seen) return false;", instead: "" },
    unit(
      "detection",
      "tier 2: the primary's session may be ended > not while a fresh voter still sees the heartbeat",
    ),
  ),
  guard(
    "two_nodes_do_not_duel",
    "§3 tier 2",
    "liveness",
    "with two nodes not while the primary's record is fresh",
    {
      file: "detection",
      text: "return state.voters.length > 2 || !holderFresh;",
      instead: "return state.voters.length > 0 || !holderFresh;",
    },
    unit(
      "detection",
      "tier 2: the primary's session may be ended > of two voters, not while the primary's own record is fresh: it goes alone instead",
    ),
  ),
  guard(
    "lost_needs_liveness",
    "§3 tier 2",
    "liveness",
    "lost only when /liveness is silent too",
    {
      file: "detection",
      text: "if (o.following === null || sight.agentDeadSince === null) return false;",
      instead: "if (o.following === null) return false;",
    },
    unit("detection", "tier 2: a voter has lost the primary > not while the agent answers"),
  ),
  guard(
    "failsafe_alone_stays",
    "§3",
    "liveness",
    "confirmed k=0 stays open without Consul",
    {
      file: "detection",
      text: 'if (state?.acks === 0 && o.change === null && state.epoch === o.primacy.epoch) return "stay";',
      instead: "",
    },
    unit(
      "detection",
      "the failsafe of a primary without Consul > stays with k = 0, because nobody may open without this node's own promise",
    ),
  ),
  guard(
    "failsafe_in_doubt",
    "§3",
    "(2)",
    "k=0 in doubt counts as k ≥ 1",
    {
      file: "detection",
      text: "if (state?.acks === 0 && o.change === null && state.epoch === o.primacy.epoch)",
      instead: "if (state?.acks === 0 && state.epoch === o.primacy.epoch)",
    },
    unit(
      "detection",
      "the failsafe of a primary without Consul > does not trust k = 0 while a change of V or k is in doubt",
    ),
  ),
  guard(
    "failsafe_window",
    "§3",
    "(3)",
    "without Consul only a fresh acknowledged heartbeat keeps it open",
    {
      file: "detection",
      text: 'return started !== null && o.now - started <= FAILSAFE_WINDOW_MS ? "stay" : "soft-fence";',
      instead: 'return started !== null ? "stay" : "soft-fence";',
    },
    unit(
      "detection",
      "the failsafe of a primary without Consul > is not needed while the belief in the session is good",
    ),
  ),
];
