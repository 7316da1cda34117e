// Races around disks that go back in time (PROTOCOL §2 "back in time", S29): each provokes by hand what one rule prevents.
import { KEYS } from "./cluster.ts";
import type { SimNode } from "./node.ts";
import type { Race, Stage } from "./mutant-stage.ts";

/** Every disk as it is now; then everybody promises a newer epoch. */
async function oldVolumes(on: Stage) {
  const restore = volumesNow(on);
  on.server(on.primary()).kill();
  await on.until(() => on.cluster.judge.newestOpened >= 2);
  await on.steady();
  return restore;
}

/** Every disk as it is now. */
function volumesNow(on: Stage) {
  const volumes = new Map(
    on.cluster.nodes.map((node) => [node, node.parts.machine.copyVolume()] as const),
  );
  return async (node: SimNode): Promise<void> => {
    // What it acknowledged is told to clients first: an OK is true as long as nobody has lost it.
    on.stall(node);
    await on.wait(30);
    node.kill();
    const volume = volumes.get(node);
    if (volume === undefined) return;
    on.cluster.judge.wentBack(on.uuid(node));
    node.parts.machine.useVolume(volume);
  };
}

/** Only `a` acknowledges from here on, and some writes are. */
async function onlyOneAcknowledges(on: Stage, b: SimNode): Promise<void> {
  on.stall(b);
  await on.writes(8);
}

/** `node` goes for ever as far as this story goes; then `b`, which lacks what was acknowledged, is left to itself. */
async function primaryGone(on: Stage, primary: SimNode, b: SimNode): Promise<void> {
  primary.kill();
  await on.wait(200);
  on.unstall(b);
  await on.wait(12_000);
  primary.start();
}

const amnesiacRemoved: Race = {
  name: "the voter that has it is removed",
  story:
    "only A acknowledges, A loses it (an old volume) and is removed from V; the primary dies; B, which never had it, is all of V",
  nodes: 3,
  durability: { minAcks: 1 },
  play: async (on) => {
    await on.steady();
    const restore = await oldVolumes(on);
    const [primary, a, b] = on.three();
    await onlyOneAcknowledges(on, b);
    await restore(a);
    on.unstall(a);
    a.start();
    await on.within(4_000, () => !on.isVoter(a));
    await primaryGone(on, primary, b);
  },
};

const amnesiacVotes: Race = {
  name: "a voter forgets and is asked",
  story:
    "only A acknowledges, A's volume goes back in time, the primary dies: A and B are enough only if A's word counts",
  nodes: 3,
  durability: {},
  play: async (on) => {
    await on.steady();
    const restore = await oldVolumes(on);
    const [primary, a, b] = on.three();
    await onlyOneAcknowledges(on, b);
    await restore(a);
    await primaryGoneWith(on, primary, [a, b]);
  },
};

async function primaryGoneWith(
  on: Stage,
  primary: SimNode,
  left: readonly SimNode[],
): Promise<void> {
  primary.kill();
  await on.wait(200);
  for (const node of left) {
    on.unstall(node);
    node.start();
  }
  await on.wait(25_000);
  primary.start();
}

const forgivenEarly: Race = {
  name: "a voter forgets, follows, and is asked",
  story:
    "only A acknowledges, A's volume goes back in time, A follows and has received nothing yet; the primary dies",
  nodes: 3,
  durability: {},
  play: async (on) => {
    await on.steady();
    const restore = await oldVolumes(on);
    const [primary, a, b] = on.three();
    await onlyOneAcknowledges(on, b);
    await restore(a);
    on.unstall(a);
    a.start();
    await on.until(() => (a.parts.machine.server?.receiver.io ?? "No") !== "No");
    // Its disk takes what it promises, and nothing of the primary's arrives.
    on.cut(primary, a);
    await on.wait(300);
    await primaryGoneWith(on, primary, [a, b]);
  },
};

const forgetsAgain: Race = {
  name: "a voter forgets, follows, restarts, and is asked",
  story:
    "only A acknowledges, A's volume goes back in time, A follows, has received nothing yet, and restarts; the primary dies",
  nodes: 3,
  durability: {},
  play: async (on) => {
    await on.steady();
    const restore = await oldVolumes(on);
    const [primary, a, b] = on.three();
    await onlyOneAcknowledges(on, b);
    await restore(a);
    on.unstall(a);
    a.start();
    await on.until(() => (a.parts.machine.server?.receiver.io ?? "No") !== "No");
    on.stall(a);
    await on.wait(300);
    a.kill();
    await primaryGoneWith(on, primary, [a, b]);
  },
};

const askedBeforeItRecalls: Race = {
  name: "a voter forgets, and is asked before it has read what it said",
  story:
    "only A acknowledges, A's volume goes back in time, the primary dies; B stands, while Consul refuses all reads of A",
  nodes: 3,
  durability: {},
  play: async (on) => {
    await on.steady();
    const restore = await oldVolumes(on);
    const [primary, a, b] = on.three();
    await onlyOneAcknowledges(on, b);
    await restore(a);
    primary.kill();
    await on.wait(200);
    on.unstall(b);
    await on.until(() => on.state.epoch > 2);
    on.refuseReads(a, true);
    on.unstall(a);
    a.start();
    await on.within(8_000, () => a.parts.machine.promise.epoch > 2);
    on.refuseReads(a, false);
    await on.wait(25_000);
    primary.start();
  },
};

const forgetsWithinAnEpoch: Race = {
  name: "a voter forgets what it has acknowledged since its last promise",
  story: "only A acknowledges, A's volume goes back in time within the epoch, and the primary dies",
  nodes: 3,
  durability: {},
  play: async (on) => {
    await on.steady();
    const restore = volumesNow(on);
    const [primary, a, b] = on.three();
    await onlyOneAcknowledges(on, b);
    await on.wait(2_500);
    await restore(a);
    await primaryGoneWith(on, primary, [a, b]);
  },
};

/** Its record has been written anew. */
async function spoken(on: Stage, node: SimNode): Promise<void> {
  const uuid = on.uuid(node);
  await new Promise<void>((done) => on.onKey((key) => key.endsWith(`/nodes/${uuid}`) && done()));
}

const forgetsWithinAndRestarts: Race = {
  name: "a voter forgets within an epoch, says so, and restarts",
  story:
    "only A acknowledges, A's volume goes back in time within the epoch; it restarts once it has said what it holds; the primary dies",
  nodes: 3,
  durability: {},
  play: async (on) => {
    await on.steady();
    const restore = volumesNow(on);
    const [primary, a, b] = on.three();
    await onlyOneAcknowledges(on, b);
    await on.wait(2_500);
    await restore(a);
    primary.kill();
    on.unstall(a);
    a.start();
    await on.until(() => a.parts.machine.server?.ready === true);
    await spoken(on, a);
    a.kill();
    await primaryGoneWith(on, primary, [a, b]);
  },
};

const forgetsBeforeItsServerRuns: Race = {
  name: "a voter forgets within an epoch, and restarts before its server runs",
  story:
    "only A acknowledges, A's volume goes back in time within the epoch; its agent speaks before mysqld is up, and restarts; the primary dies",
  nodes: 3,
  durability: {},
  play: async (on) => {
    await on.steady();
    const restore = volumesNow(on);
    const [primary, a, b] = on.three();
    await onlyOneAcknowledges(on, b);
    await on.wait(2_500);
    await restore(a);
    primary.kill();
    a.start();
    await spoken(on, a);
    a.kill();
    await primaryGoneWith(on, primary, [a, b]);
  },
};

const copied: Race = {
  name: "a copy of the primary's datadir starts",
  story: "the primary's disk is copied to B, which starts with it for a while; the primary goes on",
  nodes: 3,
  durability: {},
  play: async (on) => {
    await on.steady();
    const [primary, , b] = on.three();
    const { machine } = b.parts;
    b.kill();
    const own = machine.copyVolume();
    machine.useVolume(primary.parts.machine.copyVolume());
    on.onKey((key, value) => {
      const lock = on.cluster.consul.state.kv.get(KEYS.leader);
      if (key === KEYS.leader && (lock?.session ?? null) === null)
        on.broken("ghost", "the primary's session was ended");
      if (
        key.endsWith(`/nodes/${on.uuid(primary)}`) &&
        value?.includes(`"node":"${b.name}"`) === true
      )
        on.broken("ghost", "the copy speaks for the primary");
    });
    b.start();
    await on.wait(12_000);
    if (!b.says.includes("AP_DATADIR_TWICE")) on.broken("silent copy", b.says);
    b.kill();
    machine.useVolume(own);
    b.start();
    await on.writes(5);
  },
};

export const AMNESIA_RACES: readonly Race[] = [
  amnesiacRemoved,
  copied,
  amnesiacVotes,
  forgetsAgain,
  askedBeforeItRecalls,
  forgetsWithinAnEpoch,
  forgetsWithinAndRestarts,
  forgetsBeforeItsServerRuns,
  forgivenEarly,
];
