// Guards of the pure core (recipes/mysql/core): orders, data, precedence; each with the edit that removes it and the test of
// test/core that dies. All other conditions of the core: test/mutation.
import { guard, unit, type Mutant } from "./mutant.ts";

export const ORDER_MUTANTS: readonly Mutant[] = [
  guard(
    "stop_hands_over",
    "§6",
    "liveness",
    "a stopping primary hands over",
    { file: "stopping", text: 'if ("no" in to)', instead: "if (o.now >= 0)" },
    unit("stopping", "a stopping primary > hands over to the best voter"),
  ),
  guard(
    "stop_is_bounded",
    "§6",
    "liveness",
    "a stopping primary waits 10 s at most",
    {
      file: "stopping",
      text: "o.now - o.me.stoppingSince > HAND_OVER_WITHIN_MS;",
      instead: "o.now < 0;",
    },
    unit(
      "stopping",
      "a stopping primary > stops without a successor where the hand-over takes too long",
    ),
  ),
  guard(
    "cluster_stops_primary_first",
    "§6",
    "liveness",
    "when all stop the primary goes first",
    {
      file: "stopping",
      text: "return gone || state.primary === o.me.uuid ? stop : hold",
      instead: "return state.ver >= 0 || gone ? stop : hold",
    },
    unit(
      "stopping",
      "the whole cluster stops > replicas wait until the primary has stopped, so that it is not left without acknowledgements",
    ),
  ),
  guard(
    "old_primary_helps",
    "§6",
    "liveness",
    "a stopping primary stays until its successor is open",
    {
      file: "stopping",
      text: 'return state.phase === "open" && state.primary !== o.me.uuid ? stop : null;',
      instead: "return stop;",
    },
    unit(
      "stopping",
      "a stopping replica > that handed over stays until the successor is open: it is its first acknowledgement",
    ),
  ),
  guard(
    "switchover_of_this_epoch",
    "§6",
    "liveness",
    "a wish of another epoch is stale",
    {
      file: "switchover",
      text: "if (intent.epoch !== state.epoch) {",
      instead: "if (intent.epoch < 0) {",
    },
    unit("switchover", "a wish > of an older epoch is not carried out: the world has moved"),
  ),
  guard(
    "switchover_while_changing",
    "§7",
    "I10",
    "no switchover while V or k changes",
    {
      file: "switchover",
      text: 'if (primacy.stage !== "open" || o.change !== null) return null;',
      instead: 'if (primacy.stage !== "open") return null;',
    },
    unit(
      "switchover",
      "a wish > waits while a change of V or k is under way, and until the primary is open",
    ),
  ),
  guard(
    "successor_is_voter",
    "§6",
    "(1)",
    "only a voter is handed over to",
    {
      file: "switchover",
      text: 'if (!state.voters.includes(peer.uuid)) return "is not a voter";',
      instead: "",
    },
    unit(
      "switchover",
      "the successor > is nobody who is not connected, not in V, or primary already",
    ),
  ),
  guard(
    "successor_not_amnesiac",
    "§2",
    "(1)",
    "an amnesiac node is not handed over to",
    {
      file: "switchover",
      text: 'if (peer.amnesiac) return "is amnesiac: it cannot prove what it acknowledged";',
      instead: "",
    },
    unit(
      "switchover",
      "the successor > is nobody who is amnesiac: it cannot prove what it acknowledged",
    ),
  ),
  guard(
    "successor_keeps_up",
    "§6",
    "liveness",
    "a lagging node is not handed over to",
    {
      file: "switchover",
      text: "if ((peer.lagSeconds ?? MAX_LAG_SECONDS + 1) > MAX_LAG_SECONDS)",
      instead: "if ((peer.lagSeconds ?? 0) < 0)",
    },
    unit("switchover", "the successor > is nobody who lags 6 s"),
  ),
  guard(
    "foreign_data_untouched",
    "§7",
    "(4)",
    "a foreign datadir is never touched",
    {
      file: "lifecycle",
      text: 'if (datadir.kind === "foreign")',
      instead: 'if (datadir.kind === "foreign" && o.now < 0)',
    },
    unit("lifecycle", "a datadir > that autopilot did not make is never touched"),
  ),
  guard(
    "no_cluster_beside_another",
    "§7",
    "(4)",
    "nobody founds a cluster while nodes with data report",
    {
      file: "lifecycle",
      text: "if (withData === undefined) return null;",
      instead: "if (withData === undefined || o.now > 0) return null;",
    },
    unit(
      "lifecycle",
      "the founding > is nobody's where a node with data reports: Consul has lost its state",
    ),
  ),
  guard(
    "data_of_this_cluster",
    "§7",
    "(4)",
    "a datadir of another cluster does not start",
    {
      file: "lifecycle",
      text: "if (datadir.clusterId !== consul.initialize)",
      instead: "if (datadir.clusterId === null)",
    },
    unit("lifecycle", "a datadir > with data never founds a cluster, and never joins another"),
  ),
  guard(
    "data_without_initialize",
    "§7",
    "(4)",
    "nodes with data and no cluster in Consul never found one",
    {
      file: "lifecycle",
      text: '  if (consul.initialize === null)\n    return hold("this node has data',
      instead: '  if (o.now < 0)\n    return hold("this node has data',
    },
    unit("lifecycle", "a datadir > with data never founds a cluster, and never joins another"),
  ),
  guard(
    "lost_bootstrap_discarded",
    "§7",
    "(4)",
    "a bootstrap that another node won is discarded",
    {
      file: "lifecycle",
      text: "if (datadir.bootstrap !== null && consul.initialize !== datadir.bootstrap) {",
      instead: "if (o.now < 0) {",
    },
    unit("lifecycle", "the founding > that another node won makes this datadir void"),
  ),
  guard(
    "hung_server_replaced",
    "§3",
    "liveness",
    "a replica's mysqld that hangs is replaced",
    {
      file: "lifecycle",
      text: 'if (o.now - silentSince < HANGS_AFTER_MS) return hold("mysqld does not answer");',
      instead: 'if (o.now >= 0) return hold("mysqld does not answer");',
    },
    unit(
      "lifecycle",
      "the server > is waited for while it starts, and replaced where it answered once and has hung for 10 s",
    ),
  ),
  guard(
    "older_consul_refused",
    "§7",
    "(1)",
    "a Consul that went back in time is not obeyed",
    {
      file: "decide",
      text: "if (state.ver < promise.ver || state.epoch < epoch)",
      instead: "if (state.ver < 0)",
    },
    unit(
      "decide",
      "a Consul that went back in time > has an older epoch than a marker in the data: refused, and a person has to look",
    ),
  ),
  guard(
    "consul_without_state_refused",
    "§7",
    "(4)",
    "a Consul that lost the state is not obeyed",
    {
      file: "decide",
      text: "if (promise.ver === 0 && promise.seenEpoch === 0) return null;",
      instead: "if (promise.ver >= 0) return null;",
    },
    unit(
      "decide",
      "a Consul that went back in time > has no state although one was seen: refused, and a person has to look",
    ),
  ),
  guard(
    "exit_is_judged_first",
    "§4",
    "I8",
    "the end of mysqld comes before every other rule",
    {
      file: "decide",
      text: "    endPrimacy(o) ?? //           1 a mysqld that ended took its epoch with it\n    stopCluster(o) ?? //          2 orders to stop, of the cluster and of this node\n    stopping(o) ??",
      instead: "    stopCluster(o) ??\n    stopping(o) ??\n    endPrimacy(o) ??",
    },
    unit(
      "decide",
      "precedence > the end of a primacy comes before everything, so that nothing is done in its name",
    ),
  ),
  guard(
    "promise_before_duty",
    "§4 step 3",
    "I3",
    "a newer epoch is answered before any duty",
    {
      file: "decide",
      text: "    answerCandidate(o) ?? //      6 a newer epoch asks for our promise (fences an old primary)\n    bePrimary(o) ?? //            7 then duty\n",
      instead: "    bePrimary(o) ??\n    answerCandidate(o) ??\n",
    },
    unit("decide", "each rung > 6 a newer epoch fences an old primary"),
  ),
  guard(
    "data_before_server",
    "§7",
    "(4)",
    "no server is started before its data is known to be of this cluster",
    {
      file: "decide",
      text: "    bootstrapOrProvision(o) ?? // 4 no data: found a cluster or copy one\n    endGhost(o) ?? //             5 our own lock of an agent's life before this one\n    freeLock(o) ??\n    obeyOrder(o) ?? //            an operator wants this data gone\n    keepServerUp(o) ?? //         no server: start it, closed\n",
      instead:
        "    endGhost(o) ??\n    freeLock(o) ??\n    keepServerUp(o) ??\n    bootstrapOrProvision(o) ??\n",
    },
    unit("decide", "each rung > 4 no data: copy"),
  ),
];
