// Races around promises, elections and the gate (PROTOCOL §3–§6): each provokes by hand what one rule prevents.
import { KEYS } from "./cluster.ts";
import type { Race } from "./mutant-stage.ts";

const tailIsLonger: Race = {
  name: "an old tail is longer than the new epoch",
  story:
    "the old primary keeps many writes that nobody acknowledged; the new one takes few and dies; old primary and B elect",
  nodes: 3,
  durability: {},
  play: async (on) => {
    await on.steady();
    const [old, a, b] = on.three();
    on.cut(old, a);
    on.cut(old, b);
    on.cut(old, "consul");
    await on.until(() => on.cluster.judge.newestOpened >= 2);
    const next = on.primary();
    await on.writes(1);
    next.kill();
    on.heal(old, a);
    on.heal(old, b);
    on.heal(old, "consul");
    await on.wait(20_000);
    next.start();
  },
};

const openUnknown: Race = {
  name: "open, and Consul has not learnt it",
  story:
    "the new primary is open and acknowledged, but its word never reached Consul; it dies and the one before comes back",
  nodes: 3,
  durability: {},
  play: async (on) => {
    await on.steady();
    const [old] = on.three();
    const promoting = on.onState((state) => state.epoch === 2 && state.phase === "promoting");
    old.kill();
    await promoting;
    const next = on.published();
    const [other] = on.others(old, next);
    if (other === undefined) throw new Error("no third");
    on.delayWrites(next, Infinity);
    await on.until(() => on.isOpen(next));
    await on.writes(6);
    next.kill();
    other.kill();
    old.start();
    await on.wait(20_000);
    on.usualWrites(next);
    next.start();
    other.start();
  },
};

const electsFromAnOldRead: Race = {
  name: "an election from an old read of V",
  story: "B is removed from V, A has not read it; the primary dies and A raises the epoch",
  nodes: 3,
  durability: { dropVoterAfter: 6_000 },
  play: async (on) => {
    await on.steady();
    const [primary, a, b] = on.three();
    on.freeze(a, KEYS.state);
    b.kill();
    await on.until(() => !on.isVoter(b));
    primary.kill();
    await on.wait(10_000);
    on.thaw(a);
    primary.start();
    b.start();
  },
};

const acknowledgesAfterItsPromise: Race = {
  name: "a voter that promised is still connected",
  story:
    "the primary sleeps, B stands; A's promise takes its time to reach Consul, and meanwhile a client writes on",
  nodes: 3,
  durability: {},
  play: async (on) => {
    await on.steady();
    const primary = on.primary();
    on.cut("client", primary);
    on.cut(primary, "consul");
    on.pauseAgent(primary);
    on.freeLock();
    await on.onState((state) => state.epoch === 2);
    const [a] = on.others(primary, on.holder());
    if (a === undefined) throw new Error("no third");
    on.slowWrites(a, 800);
    for (let write = 0; write < 60; write++) {
      on.writeTo(primary);
      await on.wait(50);
    }
    await on.within(5_000, () => on.cluster.judge.newestOpened >= 2);
    on.heal("client", primary);
    on.usualWrites(a);
    await on.wait(1_000);
  },
};

const purged: Race = {
  name: "purged while it was away",
  story: "the primary has purged what a replica lacks when it comes back: it is made anew",
  nodes: 3,
  durability: {},
  play: async (on) => {
    await on.steady();
    const [primary, a] = on.three();
    a.kill();
    await on.writes(5);
    const { data } = primary.parts.machine;
    data?.purged.addAll(data.executed);
    a.start();
    await on.wait(5_000);
  },
};

const restarts: Race = {
  name: "the primary's mysqld restarts",
  story: "kill -9 of mysqld under load, and once more",
  nodes: 3,
  durability: {},
  play: async (on) => {
    await on.steady();
    for (let time = 0; time < 2; time++) {
      on.server(on.primary()).kill();
      await on.wait(8_000);
    }
  },
};

const relayLogs: Race = {
  name: "a replica restarts with what it has not applied",
  story: "A's applier is slow; its mysqld ends with acknowledged events in the relay log",
  nodes: 3,
  durability: {},
  play: async (on) => {
    await on.steady();
    const [, a] = on.three();
    a.parts.machine.weather.applyMs = 400;
    await on.writes(12);
    on.server(a).kill();
    a.parts.machine.weather.applyMs = 0;
    await on.wait(5_000);
  },
};

const lateDisarm: Race = {
  name: "disarmed as it is armed",
  story:
    "a drained primary follows and is disarmed by a login that takes long; before that it is elected again",
  nodes: 3,
  durability: {},
  play: async (on) => {
    await on.steady();
    const [old, a, b] = on.three();
    // A hand-over may come back to the old primary; then once more.
    do {
      await on.steady();
      const promoting = on.onState((state) => state.phase === "promoting");
      on.switchover(a);
      await promoting;
    } while (on.published() !== a);
    const { epoch } = on.state;
    // Its marker is written nowhere: an armed applier could not apply it, and that alone would hold the next election.
    on.stall(a);
    let slow = true;
    Object.defineProperty(on.server(old), "aclLocked", { get: () => slow });
    await on.until(() => on.server(old).receiver.io === "Yes");
    on.pauseAgent(b);
    on.server(a).kill();
    await on.onState((state) => state.epoch === epoch + 1);
    a.kill();
    on.resumeAgent(b);
    // Its login comes through as the candidate has armed itself, or (with the rule) before it does.
    const armed = on.onState((state) => state.phase === "promoting");
    void on.wait(1_500).then(() => (slow = false));
    await armed;
    on.cluster.consul.bad({ slowMs: 60 });
    slow = false;
    await on.wait(5_000);
    if (on.cluster.judge.newestOpened !== epoch + 1 || on.primary() !== old)
      on.broken("spoilt election", "the one that everybody promised did not open");
  },
};

const opensLate: Race = {
  name: "opens when another epoch is open",
  story:
    "the candidate sleeps between the acknowledged marker and the gate, for as long as another election takes",
  nodes: 3,
  durability: {},
  play: async (on) => {
    await on.steady();
    const [old] = on.three();
    const { epoch } = on.state;
    let slept = false;
    on.onCommit((server, trx) => {
      if (trx.kind !== "marker" || trx.what !== epoch + 1 || slept) return;
      slept = true;
      const node = on.cluster.at(server.host);
      node?.pause();
    });
    on.server(old).kill();
    await on.until(() => slept);
    const late = on.published();
    for (const key of [KEYS.state, KEYS.leader]) on.freeze(late, key);
    on.freeLock();
    await on.until(() => on.cluster.judge.newestOpened === epoch + 2);
    late.resume();
    await on.wait(2_000);
    on.thaw(late);
  },
};

const reacquiresLate: Race = {
  name: "takes the lock back when another epoch is open",
  story:
    "the agent sleeps while its session goes and another is elected, whose session goes too as it wakes",
  nodes: 3,
  durability: {},
  play: async (on) => {
    await on.steady();
    const [old, a, b] = on.three();
    const { epoch } = on.state;
    on.cut("client", old);
    on.pauseAgent(old);
    on.freeLock();
    for (const key of [KEYS.state, KEYS.leader]) on.freeze(old, key);
    await on.until(() => on.cluster.judge.newestOpened === epoch + 1);
    for (const node of [a, b]) on.pauseAgent(node);
    on.freeLock();
    on.resumeAgent(old);
    await on.wait(1_000);
    for (const node of [a, b]) on.resumeAgent(node);
    on.thaw(old);
    on.heal("client", old);
  },
};

const undrainsLate: Race = {
  name: "opens again after a hand-over that went on without it",
  story:
    "drained, the candidate seems not to catch up; it has been elected meanwhile and the old primary has not read it",
  nodes: 3,
  durability: {},
  play: async (on) => {
    await on.steady();
    const [old, a, b] = on.three();
    on.switchover(a);
    await on.until(() => on.server(old).superReadOnly);
    on.cut(old, a);
    for (const key of [KEYS.state, KEYS.leader]) on.freeze(old, key);
    on.pauseLease(old);
    on.freeLock();
    await on.within(9_000, () => on.cluster.judge.newestOpened === 2);
    await on.within(9_000, () => on.isOpen(old));
    on.heal(old, a);
    on.thaw(old);
    await on.wait(b.runs ? 1_000 : 0);
  },
};

const publishesEarly: Race = {
  name: "B stands, and A holds more",
  story:
    "only A acknowledges; the primary dies; B stands first, A promises and dies with the primary; B comes back alone",
  nodes: 3,
  durability: {},
  play: async (on) => {
    await on.steady();
    const [primary, a, b] = on.three();
    on.cut(b, primary);
    await on.writes(8);
    on.pauseAgent(a);
    on.server(primary).kill();
    primary.kill();
    await on.onState((state) => state.epoch === 2);
    on.resumeAgent(a);
    // Long enough for its promise, not for an election of its own.
    await on.until(() =>
      [...on.cluster.consul.state.kv.keys()].some((key) =>
        key.startsWith(`${KEYS.promises(2)}${on.uuid(a)}`),
      ),
    );
    await on.wait(15);
    a.kill();
    on.heal(b, primary);
    await on.wait(25_000);
    primary.start();
    a.start();
  },
};

const followsBack: Race = {
  name: "an old read of who is primary",
  story:
    "A has promised a newer epoch; then a watch tells it of the older one again, whose primary still runs",
  nodes: 3,
  durability: {},
  play: async (on) => {
    await on.steady();
    const [primary, a, b] = on.three();
    on.cut(primary, "consul");
    on.cut(b, primary);
    const before = [KEYS.state, KEYS.leader].map(
      (key) => [key, on.cluster.consul.entries(key)] as const,
    );
    on.freeLock();
    await on.onState((state) => state.epoch === 2);
    await on.until(() => a.parts.machine.promise.epoch === 2);
    for (const [key, entries] of before) on.showOld(a, key, entries);
    on.poke(KEYS.state);
    on.poke(KEYS.leader);
    await on.wait(3_500);
    on.thaw(a);
    on.heal(b, primary);
  },
};

const consulRestored: Race = {
  name: "Consul goes back to before it was alone",
  story:
    "the primary went alone and took writes; an older V, with k=1, is restored within the epoch; the primary dies",
  nodes: 3,
  durability: { aloneAfter: 2_000 },
  play: async (on) => {
    const { consul, judge } = on.cluster;
    await on.steady();
    const [primary, a, b] = on.three();
    consul.snapshot();
    on.cut(primary, a);
    on.cut(primary, b);
    on.pauseAgent(a);
    on.pauseAgent(b);
    await on.until(() => on.state.acks === 0);
    on.resumeAgent(a);
    on.resumeAgent(b);
    await on.wait(2_000);
    await on.writes(6);
    judge.consulLied = true;
    judge.excuse = "Consul was restored: it waits for `adopt`";
    primary.kill();
    consul.restore("snapshot");
    await on.wait(20_000);
  },
};

const stopsWithWaiters: Race = {
  name: "SIGTERM while commits wait",
  story: "nobody acknowledges, clients wait, and the agent is asked to stop",
  nodes: 3,
  durability: {},
  play: async (on) => {
    await on.steady();
    const [primary, a, b] = on.three();
    on.stall(a);
    on.stall(b);
    await on.wait(800);
    primary.stop();
    await on.wait(20_000);
    on.unstall(a);
    on.unstall(b);
    primary.start();
  },
};

export const ELECTION_RACES: readonly Race[] = [
  tailIsLonger,
  openUnknown,
  electsFromAnOldRead,
  acknowledgesAfterItsPromise,
  purged,
  restarts,
  relayLogs,
  lateDisarm,
  opensLate,
  reacquiresLate,
  undrainsLate,
  publishesEarly,
  followsBack,
  consulRestored,
  stopsWithWaiters,
];
