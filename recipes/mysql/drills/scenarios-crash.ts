// Processes that die or stand still.
import { kill, pause } from "./faults.ts";
import { limits, THREE, TWO, type Scenario } from "./scenario.ts";

/** An election needs promises of two voters of three; the candidate says how many it has. */
const NO_QUORUM = /have \d+ promises, need \d+/;

export const CRASHES: readonly Scenario[] = [
  {
    name: "mysqld-killed",
    does: "kills the primary's mysqld with SIGKILL",
    expects: "a primary of a newer epoch acknowledges writes",
    limits: limits(1_000, 2_000),
    shape: THREE,
    async play(stage) {
      await stage.inflict(kill(stage.target, stage.scene.primary, ["mysqld"]));
      await stage.recovers();
    },
  },
  {
    name: "node-killed",
    does: "kills agent and mysqld of the primary with SIGKILL, and starts the node again later",
    expects: "another node takes over; the old primary comes back and follows",
    limits: limits(2_000, 4_000),
    shape: THREE,
    async play(stage) {
      await stage.inflict(kill(stage.target, stage.scene.primary));
      await stage.moves();
    },
  },
  {
    name: "mysqld-paused",
    does: "stops the primary's mysqld with SIGSTOP: connections stay open, nothing answers",
    expects: "its agent notices and kills it; a primary of a newer epoch acknowledges writes",
    limits: limits(4_000, 6_000),
    shape: THREE,
    async play(stage) {
      await stage.inflict(pause(stage.target, stage.scene.primary, ["mysqld"]));
      await stage.recovers();
    },
  },
  {
    name: "agent-paused",
    does: "stops the primary's agent alone with SIGSTOP for 15 s, while its mysqld goes on",
    expects:
      "writes go on, from a mysqld that is still acknowledged or from another primary, and never from two",
    limits: limits(5_000, 8_000),
    shape: THREE,
    async play(stage) {
      await stage.inflict(pause(stage.target, stage.scene.primary, ["agent"]));
      await stage.hold(15_000);
      await stage.acknowledges(stage.now());
      await stage.heal();
    },
  },
  {
    name: "node-paused",
    does: "stops agent and mysqld of the primary with SIGSTOP, as a frozen host, and wakes them after the failover",
    expects: "another node takes over; the old primary wakes up, fences itself and follows",
    limits: limits(5_000, 8_000),
    shape: THREE,
    async play(stage) {
      await stage.inflict(pause(stage.target, stage.scene.primary));
      await stage.moves();
    },
  },
  {
    name: "replica-and-primary-killed",
    does: "kills the primary and one of the two replicas at once",
    expects:
      "closed, with the reason, until one of the two disks is back; then a primary with every write",
    limits: null,
    shape: THREE,
    async play(stage) {
      const { target, scene } = stage;
      const replica = stage.one(scene.replicas);
      await stage.inflict(kill(target, scene.primary), kill(target, replica));
      await stage.closedFor(5_000, NO_QUORUM);
      const back = stage.one([scene.primary, replica]);
      stage.say(`${back} comes back`);
      await target.startNode(back);
      await stage.recovers();
    },
  },
  {
    name: "two-nodes-primary-killed",
    does: "kills agent and mysqld of the primary of a cluster of two",
    expects:
      "the other one goes on alone, and says so; the old primary is admitted again without a person",
    limits: limits(8_000, 8_000),
    shape: TWO,
    async play(stage) {
      await stage.inflict(kill(stage.target, stage.scene.primary));
      await stage.moves();
      const state = await stage.target.state();
      stage.say(`voters: ${state?.voters.length}, acks: ${state?.acks}`);
    },
  },
  {
    name: "two-nodes-mysqld-killed",
    does: "kills the primary's mysqld in a cluster of two",
    expects: "a primary of a newer epoch acknowledges writes, and both vote again",
    limits: limits(8_000, 8_000),
    shape: TWO,
    async play(stage) {
      await stage.inflict(kill(stage.target, stage.scene.primary, ["mysqld"]));
      await stage.recovers();
    },
  },
  {
    name: "everything-killed",
    does: "kills all agents and all servers at once, as a power cut does, and starts them again in any order",
    expects: "a primary of a newer epoch with every acknowledged write",
    limits: null,
    shape: THREE,
    async play(stage) {
      const { target, scene } = stage;
      const all = [scene.primary, ...scene.replicas];
      await stage.inflict(...all.map((node) => kill(target, node)));
      const killed = stage.now();
      for (const left = [...all]; left.length > 0;) {
        const next = stage.one(left);
        left.splice(left.indexOf(next), 1);
        stage.say(`${next} comes back`);
        await target.startNode(next);
        await stage.hold(stage.random() * 3_000);
      }
      await stage.recovers();
      await stage.acknowledges(killed);
    },
  },
];
