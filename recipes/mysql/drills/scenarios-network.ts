// Cables pulled, and Consul gone.
import { between, consulGone, cut, kill, unacknowledgedTail } from "./faults.ts";
import { limits, THREE, type Scenario } from "./scenario.ts";
import { CLIENT, CONSUL } from "./network.ts";

export const CUTS: readonly Scenario[] = [
  {
    name: "primary-cut-from-consul",
    does: "cuts the primary off from Consul alone, for 20 s",
    expects: "it stays by failsafe: its heartbeats are acknowledged, and the others see them",
    limits: limits(1_000, 1_000),
    shape: THREE,
    async play(stage) {
      const { target, scene } = stage;
      const name = "cut off from Consul";
      const links = between(scene.primary, [CONSUL]);
      await stage.inflict(cut(target, { name, node: scene.primary, links }, stage.healing()));
      await stage.staysFor(20_000);
      await stage.heal();
      await stage.staysFor(5_000);
    },
  },
  {
    name: "primary-cut-off",
    does: "cuts the primary off from Consul, from both replicas and from its clients",
    expects:
      "another node takes over; the old primary acknowledges nothing, and follows when it is back",
    limits: limits(5_000, 8_000),
    shape: THREE,
    async play(stage) {
      const { target, scene } = stage;
      const links = between(scene.primary, [CONSUL, ...scene.replicas, CLIENT]);
      const what = { name: "cut off from everything", node: scene.primary, links };
      await stage.inflict(cut(target, what, stage.healing()));
      await stage.moves();
    },
  },
  {
    name: "primary-cut-from-clients",
    does: "cuts the primary off from its clients, for 8 s",
    expects: "nobody else can know: the primary stays, and acknowledges when its clients are back",
    limits: null,
    shape: THREE,
    async play(stage) {
      const { target, scene } = stage;
      const links = between(scene.primary, [CLIENT]);
      const what = { name: "cut off from its clients", node: scene.primary, links };
      await stage.inflict(cut(target, what, stage.healing()));
      await stage.hold(8_000);
      await stage.sameReign();
      await stage.heal();
      await stage.staysFor(1_000);
    },
  },
  {
    name: "replication-cut",
    does: "cuts the path between the primary and its replicas, while Consul reaches all",
    expects: "the primary, which gets no acknowledgements, steps down, and another one takes over",
    limits: limits(10_000, 12_000),
    shape: THREE,
    async play(stage) {
      const { target, scene } = stage;
      const links = between(scene.primary, scene.replicas);
      const what = { name: "cut off from its replicas", node: scene.primary, links };
      await stage.inflict(cut(target, what, stage.healing()));
      await stage.moves();
    },
  },
  {
    name: "replica-cut-off",
    does: "cuts one replica off from everything, for 10 s",
    expects:
      "the other replica acknowledges: nothing moves, and the replica catches up when it is back",
    limits: limits(1_000, 2_000),
    shape: THREE,
    async play(stage) {
      const { target, scene } = stage;
      const replica = stage.one(scene.replicas);
      const others = scene.replicas.filter((name) => name !== replica);
      const links = between(replica, [CONSUL, scene.primary, ...others, CLIENT]);
      const what = { name: "cut off from everything", node: replica, links };
      await stage.inflict(cut(target, what, stage.healing()));
      await stage.staysFor(10_000);
      await stage.heal();
    },
  },
  {
    name: "old-primary-with-a-tail",
    does: "lets commits of the primary wait for an acknowledgement that cannot come, then kills it",
    expects:
      "another node takes over without them; the old primary is set aside with its evidence, or the tail was never there",
    limits: limits(10_000, 12_000),
    shape: THREE,
    async play(stage) {
      const { target, scene } = stage;
      const links = between(scene.primary, scene.replicas);
      const what = { name: "cut off from its replicas", node: scene.primary, links };
      await stage.inflict(cut(target, what, "reset"));
      await stage.inflict(unacknowledgedTail(target, scene.primary));
      await stage.inflict(kill(target, scene.primary));
      await stage.moves();
    },
  },
  {
    name: "consul-restarted",
    does: "kills Consul and starts it again with its data",
    expects: "no failover: the primary takes the lock again within its epoch",
    limits: limits(1_000, 1_000),
    shape: THREE,
    async play(stage) {
      await stage.inflict(consulGone(stage.target));
      await stage.heal();
      await stage.staysFor(10_000);
    },
  },
  {
    name: "consul-down",
    does: "kills Consul, and starts it again 60 s later",
    expects: "no failover and no outage: the primary stays by failsafe",
    limits: limits(1_000, 1_000),
    shape: THREE,
    async play(stage) {
      await stage.inflict(consulGone(stage.target));
      await stage.staysFor(60_000);
      await stage.heal();
      await stage.staysFor(10_000);
    },
  },
];
