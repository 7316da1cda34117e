// Races around V and k (PROTOCOL §7): each provokes by hand what one rule prevents. With all rules in place each of them
// ends well; a mutant breaks in it what its entry names.
import { COPY_ACCOUNT } from "../../recipes/mysql/core/accounts.ts";
import type { Race } from "./mutant-stage.ts";

const aloneAndTheOther: Race = {
  name: "alone, and one that was not told",
  story:
    "the primary goes alone; A's agent sleeps, so that its mysqld comes back with its flag ON; then B comes back and k rises",
  nodes: 3,
  durability: { aloneAfter: 2_000 },
  play: async (on) => {
    await on.steady();
    const [primary, a, b] = on.three();
    on.pauseAgent(a);
    on.cut(primary, a);
    on.cut(primary, b);
    await on.until(() => on.state.acks === 0);
    on.heal(primary, a);
    // Where nobody cut it, it is back before anybody waits for acknowledgements again.
    await on.within(3_000, () => on.server(a).receiver.io === "Yes");
    on.heal(primary, b);
    await on.until(() => on.state.acks === 1);
    await on.wait(1_000);
    on.resumeAgent(a);
  },
};

const removalInDoubt: Race = {
  name: "a removal whose answer is late",
  story:
    "A is gone and cut, the CAS that removes it is late; meanwhile A is back and asks for its account; then the CAS arrives",
  nodes: 3,
  durability: { dropVoterAfter: 6_000 },
  play: async (on) => {
    await on.steady();
    const [primary, a] = on.three();
    const id = a.parts.machine.data?.serverId ?? 0;
    a.kill();
    await on.until(() => on.server(primary).data.accounts.get(id) === true);
    on.delayWrites(primary, 6_000);
    a.start();
    await on.wait(2_600);
    on.usualWrites(primary);
    await on.wait(6_000);
  },
};

const raiseInDoubt: Race = {
  name: "a raise of k that arrived and whose answer did not",
  story:
    "k rises to 2 in Consul, and in that moment the primary loses it: it may not go back to 1 by itself",
  nodes: 3,
  durability: { acks: 2, aloneAfter: 2_000 },
  play: async (on) => {
    await on.steady();
    const [primary, a] = on.three();
    a.kill();
    await on.until(() => on.state.acks === 1);
    const raised = on.onState((state) => state.acks === 2);
    a.start();
    await raised;
    on.cut(primary, "consul");
    await on.wait(3_000);
    on.heal(primary, "consul");
  },
};

const raiseUnproven: Race = {
  name: "k rises over what only one has",
  story:
    "A is back and alone acknowledges, B stalls; k rises to 2, so that one promise is enough; primary and A die",
  nodes: 3,
  durability: { acks: 2, aloneAfter: 2_000 },
  play: async (on) => {
    await on.steady();
    const [primary, a, b] = on.three();
    a.kill();
    await on.until(() => on.state.acks === 1);
    a.start();
    await on.until(() => on.server(primary).semi.clientsShown === 2);
    on.stall(b);
    await on.within(1_500, () => on.state.acks === 2);
    primary.kill();
    a.kill();
    await on.wait(200);
    on.unstall(b);
    await on.wait(12_000);
    primary.start();
    a.start();
  },
};

const promiseOfAStranger: Race = {
  name: "a node outside of V is asked for its promise",
  story:
    "only A acknowledges; primary and A die; B and a node outside of V are two, but not two voters",
  nodes: 4,
  durability: {},
  play: async (on) => {
    await on.steady();
    const primary = on.primary();
    const [a, b] = on.others(primary).filter((node) => on.isVoter(node));
    const [stranger] = on.others(primary).filter((node) => !on.isVoter(node));
    if (a === undefined || b === undefined || stranger === undefined) throw new Error("no four");
    on.stall(b);
    on.cut(stranger, primary);
    await on.writes(8);
    primary.kill();
    a.kill();
    await on.wait(200);
    on.unstall(b);
    await on.wait(15_000);
    primary.start();
    a.start();
  },
};

const strangerStands: Race = {
  name: "a node outside of V stands for election",
  story:
    "two nodes: the primary goes alone and takes writes, then dies; the other one was removed from V",
  nodes: 2,
  durability: { aloneAfter: 2_000 },
  play: async (on) => {
    await on.steady();
    const primary = on.primary();
    const [other] = on.others(primary);
    if (other === undefined) throw new Error("no two");
    other.kill();
    await on.until(() => on.state.acks === 0);
    await on.writes(8);
    on.cut(primary, other);
    other.start();
    await on.wait(1_000);
    primary.kill();
    on.heal(primary, other);
    await on.wait(12_000);
    primary.start();
  },
};

const flagBeforeV: Race = {
  name: "a node acknowledges before it is in V",
  story: "B was removed and comes back, A stalls: nobody of V acknowledges",
  nodes: 3,
  durability: { dropVoterAfter: 6_000 },
  play: async (on) => {
    await on.steady();
    const [primary, a, b] = on.three();
    b.kill();
    await on.until(() => !on.isVoter(b));
    b.start();
    const id = b.parts.machine.data?.serverId ?? 0;
    await on.until(() => on.server(primary).data.accounts.get(id) === false);
    on.stall(a);
    await on.wait(3_000);
    on.unstall(a);
  },
};

const flagFromAnOldRead: Race = {
  name: "a node that was removed reads that it was not",
  story: "B was removed and comes back with an old read of V; A stalls: only B would acknowledge",
  nodes: 3,
  durability: { dropVoterAfter: 6_000 },
  play: async (on) => {
    await on.steady();
    const [primary, a, b] = on.three();
    b.kill();
    on.freeze(b, STATE);
    await on.until(() => !on.isVoter(b));
    b.start();
    await on.wait(1_200);
    on.stall(a);
    await on.wait(2_500);
    on.unstall(a);
    on.thaw(b);
    await on.wait(primary.runs ? 500 : 0);
  },
};

const wipedWhileAdded: Race = {
  name: "wiped while it is added",
  story: "a node outside of V is added; before it reads that, it finds transactions of its own",
  nodes: 3,
  durability: { dropVoterAfter: 6_000 },
  play: async (on) => {
    await on.steady();
    const [, , b] = on.three();
    b.kill();
    await on.until(() => !on.isVoter(b));
    b.start();
    await on.until(() => b.parts.machine.server?.receiver.io === "Yes");
    on.freeze(b, STATE);
    // Only the instant before counts: its record still says that it can follow.
    await on.onState((state) => state.voters.includes(on.uuid(b)));
    on.server(b).submit({ kind: "errant" }, () => {});
    await on.wait(6_000);
    on.thaw(b);
  },
};

const casRefused: Race = {
  name: "going alone, and Consul says no",
  story:
    "no voter acknowledges, the primary's session is gone as it wants to go alone: nobody has read that it is",
  nodes: 3,
  durability: { aloneAfter: 2_000 },
  play: async (on) => {
    await on.steady();
    const [primary, a, b] = on.three();
    const { accounts } = on.server(primary).data;
    on.pauseAgent(a);
    on.pauseAgent(b);
    on.cut(primary, a);
    on.cut(primary, b);
    const ids = [a, b].map((node) => node.parts.machine.data?.serverId ?? 0);
    await on.until(() => ids.every((id) => accounts.get(id) === true));
    on.slowWrites(primary, 900);
    await on.wait(400);
    on.endSessions();
    await on.wait(600);
    on.usualWrites(primary);
    await on.wait(3_000);
    on.heal(primary, a);
    on.heal(primary, b);
  },
};

const lockedThere: Race = {
  name: "the candidate's account is locked on the holder",
  story:
    "the old primary had cut both others, and died before the removal reached Consul; as a replica, tagged noFailover, it alone acknowledges; the new primary dies, and the third copies from it",
  nodes: 3,
  durability: {},
  play: async (on) => {
    await on.steady();
    const [holder, a, b] = on.three();
    const { accounts } = on.server(holder).data;
    for (const id of accounts.keys()) if (id !== COPY_ACCOUNT) accounts.set(id, true);
    holder.kill();
    await on.until(() => on.cluster.judge.newestOpened >= 2);
    holder.start();
    await on.steady();
    const next = on.primary();
    const third = next === a ? b : a;
    Object.assign(holder.parts.config.tags, { noFailover: true });
    on.stall(third);
    await on.writes(8);
    next.kill();
    await on.wait(200);
    on.unstall(third);
    const opened = await on.within(25_000, () => on.cluster.judge.newestOpened >= 3);
    if (!opened) on.broken("closed", third.says);
    next.start();
  },
};

const STATE = "autopilot/sim/state";

export const MEMBERSHIP_RACES: readonly Race[] = [
  lockedThere,
  aloneAndTheOther,
  removalInDoubt,
  raiseInDoubt,
  raiseUnproven,
  promiseOfAStranger,
  strangerStands,
  flagBeforeV,
  flagFromAnOldRead,
  wipedWhileAdded,
  casRefused,
];
