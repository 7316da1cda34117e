// Guards of the pure core (recipes/mysql/core): changes of V and k; each with the edit that removes it and the test of
// test/core that dies. All other conditions of the core: test/mutation.
import { guard, unit, type Mutant } from "./mutant.ts";

export const VOTER_MUTANTS: readonly Mutant[] = [
  guard(
    "strangers_kicked",
    "§5",
    "I4",
    "a semi-sync client outside of V is kicked",
    { file: "membership", text: "    kickStrangers(seen) ??\n", instead: "" },
    unit("membership", "strangers > are disconnected where one of them acknowledges"),
  ),
  guard(
    "alone_only_without_acks",
    "§7",
    "(1)",
    "alone only where fewer than k can acknowledge",
    {
      file: "membership",
      text: "if (useful >= state.acks || !goneForGood(seen, gone)) return null;",
      instead: "if (!goneForGood(seen, gone)) return null;",
    },
    unit("membership", "a healthy cluster > of the wished size changes nothing"),
  ),
  guard(
    "alone_after",
    "§7",
    "liveness",
    "alone only after aloneAfter",
    {
      file: "membership",
      text: "return o.now - Math.max(...since) >= o.policy.aloneAfterMs;",
      instead: "return o.now >= 0 && since.length >= 0;",
    },
    unit(
      "membership",
      "acknowledgements go down > to those that are left, where fewer than k acknowledge for aloneAfter",
    ),
  ),
  guard(
    "step_down_first",
    "§3",
    "liveness",
    "enough well voters that do not see it get the lock before it goes alone",
    { file: "membership", text: "  if (down !== null) return down;\n", instead: "" },
    unit(
      "membership-alone",
      "a primary that nobody acknowledges steps down > before it goes alone, where max(q, k+1) voters are well, see each other and not it",
    ),
  ),
  guard(
    "min_acks",
    "§7",
    "(4)",
    "minAcks forbids going alone",
    {
      file: "membership",
      text: 'if (o.primacy?.stage === "open" && o.policy.minAcks > useful) return null;',
      instead: "",
    },
    unit(
      "membership",
      "acknowledgements go down > to those that are left, where fewer than k acknowledge for aloneAfter",
    ),
  ),
  guard(
    "k_below_n",
    "§1",
    "I10",
    "V never shrinks below k+1",
    {
      file: "membership",
      text: "if (state.voters.length - 2 < state.acks) return fewerAcks(seen, uuid);",
      instead: "if (state.voters.length < 0) return fewerAcks(seen, uuid);",
    },
    unit(
      "membership",
      "a voter is removed > that is amnesiac and cannot be spared: k goes down first, alone where it is the last",
    ),
  ),
  guard(
    "remove_leaves_k_present",
    "§7",
    "liveness",
    "nobody is removed while the rest cannot acknowledge",
    { file: "membership", text: "if (left.length < state.acks) return null;", instead: "" },
    unit(
      "membership",
      "a voter is removed > never where it is the one that acknowledges, and the others are not there",
    ),
  ),
  guard(
    "add_only_caught_up",
    "§7",
    "liveness",
    "only who is at the head is added",
    {
      file: "membership",
      text: "      contains(heldSet(p), head),",
      instead: "      contains(head, head),",
    },
    unit("membership", "a voter is added > not while it is further behind than a heartbeat"),
  ),
  guard(
    "add_no_amnesiac",
    "§2",
    "(1)",
    "an amnesiac node is not added before it was removed",
    {
      file: "membership",
      text: "      !p.amnesiac &&\n      connected(seen, p.uuid)",
      instead: "      connected(seen, p.uuid)",
    },
    unit("membership", "a voter is added > not while it cannot prove what it acknowledged"),
  ),
  guard(
    "voters_bound",
    "§1",
    "liveness",
    "|V| is bounded by the policy",
    {
      file: "membership",
      text: 'if (state.voters.length >= room || o.headBefore === "") return null;',
      instead: 'if (o.headBefore === "") return null;',
    },
    unit("membership", "a voter is added > not beyond what the policy wishes"),
  ),
  guard(
    "raise_when_ready",
    "§7 k up",
    "liveness",
    "k rises when k+1 voters acknowledge",
    { file: "membership", text: "if (ready.length < next) return null;", instead: "" },
    unit("membership", "acknowledgements go up > not while the voter is not connected"),
  ),
  guard(
    "raise_taken_back",
    "§7",
    "liveness",
    "a raise that nobody acknowledges is taken back",
    {
      file: "membership",
      text: 'if (change.kind === "acks-up" && o.now - change.since >= o.policy.aloneAfterMs) {',
      instead: 'if (change.kind === "acks-up" && o.now < 0) {',
    },
    unit(
      "membership",
      "acknowledgements go up > and back to what Consul says where nobody acknowledges the raise: no client hangs for ever",
    ),
  ),
  guard(
    "sent_is_won",
    "§7",
    "I10",
    "a change whose answer was lost is won by the next CAS",
    {
      file: "membership",
      text: 'if (change.stage === "sent")',
      instead: 'if (change.stage === "sent" && o.now < 0)',
    },
    unit(
      "membership",
      "acknowledgements go up > and never back while the raise was sent to Consul and its answer is not known",
    ),
  ),
  guard(
    "amnesiac_removed",
    "§2",
    "(1)",
    "an amnesiac voter is removed",
    { file: "membership", text: "if (peer?.amnesiac === true) return true;", instead: "" },
    unit(
      "membership",
      "a voter is removed > where it cannot prove what it acknowledged, so that it may be added anew",
    ),
  ),
  guard(
    "founder_has_an_account",
    "§7",
    "liveness",
    "a primary without an account makes one, for when it has to copy from a closed holder",
    { file: "primary", text: "    ownAccount(o, server, entry.value) ??\n", instead: "" },
    unit(
      "accounts",
      "the account of whoever founded the cluster > is made by itself, once, for when it is a replica",
    ),
  ),
  guard(
    "own_account_while_clients",
    "S22",
    "liveness",
    "nor its own, nor drops one, but while k acknowledge and nothing waits",
    {
      file: "accounts",
      text: "return server.semiSync.clients >= state.acks && server.semiSync.waitSessions === 0;",
      instead: "return true;",
    },
    unit(
      "accounts",
      "the account of whoever founded the cluster > is not made where CREATE USER could wait, or anything else is under way",
    ),
  ),
];
