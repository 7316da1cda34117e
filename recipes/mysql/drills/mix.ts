// The seeded random mix: one fault after the other, or two at once, with random victims and times, for some minutes.
import { between, consulGone, cut, kill, pause, stopWell, type Harm } from "./faults.ts";
import { CLIENT, CONSUL } from "./network.ts";
import { THREE, type Scenario } from "./scenario.ts";
import { monotonicNow } from "./ledger.ts";
import { NoEffect, type Stage } from "./stage.ts";
import { whyNotWhole } from "./whole.ts";

type Kind = (stage: Stage, node: string) => Harm;

const others = ({ target }: Stage, node: string): readonly string[] =>
  target.nodes.flatMap(({ name }) => (name === node ? [] : [name]));

const cutFrom =
  (name: string, parties: (stage: Stage, node: string) => readonly string[]): Kind =>
  (stage, node) => {
    const links = between(node, parties(stage, node));
    return cut(stage.target, { name, node, links }, stage.healing());
  };

const KINDS: readonly Kind[] = [
  ({ target }, node) => kill(target, node, ["mysqld"]),
  ({ target }, node) => kill(target, node),
  ({ target }, node) => pause(target, node),
  ({ target }, node) => pause(target, node, ["agent"]),
  ({ target }, node) => pause(target, node, ["mysqld"]),
  ({ target }, node) => stopWell(target, node),
  ({ target }) => consulGone(target),
  cutFrom("cut off from Consul", () => [CONSUL]),
  cutFrom("cut off from everything", (stage, node) => [CONSUL, CLIENT, ...others(stage, node)]),
  cutFrom("cut off from the other nodes", others),
  cutFrom("cut off from one other node", (stage, node) => [stage.one(others(stage, node))]),
];

/** Two at once may be two of three nodes: then it is closed until they are healed. */
const TWO_AT_ONCE = 0.3;
/** A fault in a cluster that is still mending the last one. */
const HASTE = 0.3;
const LONGEST_HOLD_MS = 12_000;
const MENDS_WITHIN_MS = 180_000;

export const MIX: Scenario = {
  name: "mix",
  does: "inflicts faults of a random kind on random nodes, one or two at once, for some minutes",
  expects: "writes go on after each, and in the end nothing is lost",
  limits: null,
  shape: THREE,
  async play(stage) {
    const until = monotonicNow() + stage.parts.minutes * 60_000;
    for (let step = 1; monotonicNow() < until; step++) {
      stage.say(`step ${step}`);
      await playStep(stage);
    }
  },
};

async function playStep(stage: Stage): Promise<void> {
  const { target } = stage;
  const standing = target.nodes.filter(({ name }) => target.processes(name).length === 2);
  const victims: string[] = standing.map(({ name }) => name);
  const harms: Harm[] = [];
  for (let left = stage.random() < TWO_AT_ONCE ? 2 : 1; left > 0 && victims.length > 0; left--) {
    const victim = stage.one(victims);
    victims.splice(victims.indexOf(victim), 1);
    harms.push(stage.one(KINDS)(stage, victim));
  }
  try {
    await stage.inflict(...harms);
  } catch (error) {
    // Its victim went for a reason of its own in that moment: the fault stands in the report without a proof.
    if (!(error instanceof NoEffect)) throw error;
    stage.say(error.message);
  }
  await stage.hold(stage.random() * LONGEST_HOLD_MS);
  await stage.heal();
  const healed = monotonicNow();
  await stage.until(
    "a new write is acknowledged",
    () => Promise.resolve((stage.parts.writes.ackedSentAt() ?? 0) > healed ? true : null),
    MENDS_WITHIN_MS,
  );
  if (stage.random() < HASTE) return;
  await stage.until(
    "the cluster is whole",
    async () => ((await whyNotWhole(target)) === null ? true : null),
    MENDS_WITHIN_MS,
  );
}
