// What operators do, and disks that are full.
import { errantWrite, fullDisk, handOver, stopWell } from "./faults.ts";
import { limits, THREE, THREE_SMALL, type Scenario } from "./scenario.ts";
import { whyNotWhole } from "./whole.ts";
import type { Stage } from "./stage.ts";

export const OPERATIONS: readonly Scenario[] = [
  {
    name: "clean-stop",
    does: "stops the primary's node in good order, and starts it again",
    expects: "it hands over before it goes; it comes back and follows",
    limits: limits(300, 1_000),
    shape: THREE,
    async play(stage) {
      await stage.inflict(stopWell(stage.target, stage.scene.primary));
      await stage.moves();
    },
  },
  {
    name: "switchover",
    does: "hands the primary role over to a replica, under load",
    expects: "the wished node is primary, and no process ended",
    limits: limits(300, 1_000),
    shape: THREE,
    async play(stage) {
      const { target, scene, signal } = stage;
      const to = stage.one(scene.replicas);
      const before = pids(stage);
      await stage.inflict(handOver(target, scene.primary, to, signal));
      const now = await stage.moves();
      stage.expects(now === to, `expected ${to} to be primary, found ${now}`);
      stage.expects(pids(stage) === before, "a process ended");
    },
  },
  {
    name: "rolling-restart",
    does: "stops and starts one node after the other, the primary last",
    expects:
      "each is whole again before the next; writes stand still only for the primary's hand-over",
    limits: limits(300, 1_000),
    shape: THREE,
    async play(stage) {
      const { target, scene } = stage;
      for (const node of [...scene.replicas, scene.primary]) {
        await stage.inflict(stopWell(target, node));
        await stage.heal();
        await stage.until("the cluster is whole", async () =>
          (await whyNotWhole(target)) === null ? true : null,
        );
      }
      await stage.moves();
    },
  },
  {
    name: "errant-write",
    does: "lets an operator with every right write on a replica",
    expects:
      "the replica is found errant, set aside with its evidence and made anew; the primary stays",
    limits: limits(1_000, 2_000),
    shape: THREE,
    async play(stage) {
      const { target, scene } = stage;
      const replica = stage.one(scene.replicas);
      const since = stage.now();
      await stage.inflict(errantWrite(target, replica));
      await stage.until(`${replica} is set aside`, async () => {
        const aside = target
          .events()
          .some(({ node, type, at }) => node === replica && type === "set-aside" && at >= since);
        return Promise.resolve(aside ? true : null);
      });
      await stage.sameReign();
    },
  },
  {
    name: "disk-full-on-the-primary",
    does: "fills the primary's disk, and frees it after the failover",
    expects:
      "its commits hang, so it gets no acknowledgements and steps down; another one takes over",
    limits: limits(10_000, 15_000),
    shape: THREE_SMALL,
    async play(stage) {
      await stage.inflict(fullDisk(stage.target, stage.scene.primary));
      await stage.moves();
    },
  },
  {
    name: "disk-full-on-a-replica",
    does: "fills the disk of one replica, for 15 s",
    expects: "the other one acknowledges: nothing moves; the replica goes on when there is room",
    limits: limits(1_000, 2_000),
    shape: THREE_SMALL,
    async play(stage) {
      await stage.inflict(fullDisk(stage.target, stage.one(stage.scene.replicas)));
      await stage.staysFor(15_000);
      await stage.heal();
    },
  },
];

function pids({ target }: Stage): string {
  const all = target.nodes.map(({ name }) => target.processes(name).map(({ pid }) => pid));
  return JSON.stringify(all);
}
