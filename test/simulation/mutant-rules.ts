// The text of RULES.md: which rules enforce an invariant, and what dies without each. Made from the table of mutants.
import { MUTANTS } from "./mutant-table.ts";
import type { Kill, Mutant } from "./mutant.ts";

/** PROTOCOL.md §8, and the four promises at its head. */
const INVARIANTS: readonly (readonly [name: string, says: string])[] = [
  [
    "I1",
    "one candidate per epoch; every write of `state` is a compare-and-set by the holder of the lock",
  ],
  ["I2", "a promise never decreases and is durable before its set is published"],
  ["I3", "who promised e acknowledges nothing older"],
  ["I4", "acknowledgements count only from V; only voters vote, and no voter's data is wiped"],
  ["I5", "what a promise publishes survives any restart"],
  ["I6", "the winner holds the newest joined epoch, then the greatest set, of a quorum"],
  ["I7", "nobody opens before its marker is acknowledged"],
  ["I8", "an epoch is opened at most once, by one incarnation of mysqld"],
  ["I9", "no step reports OK for a commit that was not acknowledged"],
  ["I10", "a primary waits for at least k of V"],
  ["(1)", "no acknowledged write is lost"],
  ["(2)", "at any moment at most one node acknowledges"],
  ["(3)", "what a reader of the primary saw stays"],
  ["(4)", "when it cannot be safe it says why, and waits"],
  ["liveness", "it becomes safe and open again by itself"],
];

const HEAD = `# Rules, and what dies without each

Made by \`node test/simulation/mutants.ts --rules\` from the table of mutants; \`mutants.test.ts\` compares. A *race* is a
hand-written order of events (\`mutant-races-of-*.ts\`) in which the removed rule breaks what is named behind it; with all rules
in place each of them ends well. A test is one of \`test/core\`, or of
\`mutant-executors.test.ts\` for re-checks that no order of events gets between. All further conditions of the pure core are removed and changed
one by one by \`npm run mutants:core\`.
`;

export function rulesText(): string {
  const invariants = INVARIANTS.map(([name, says]) => {
    const rules = MUTANTS.filter(({ serves }) => serves.includes(name)).map(({ rule }) => rule);
    return `| ${name} | ${says} | ${rules.map((rule) => `\`${rule}\``).join(" ")} |`;
  });
  return [
    HEAD,
    "| | invariant | rules that enforce it |",
    "|---|---|---|",
    ...invariants,
    "",
    "| rule | § | says | removed: noticed by |",
    "|---|---|---|---|",
    ...MUTANTS.map(rowOf),
    "",
  ].join("\n");
}

function rowOf({ rule, section, says, kills, together }: Mutant): string {
  const noticed = kills.map(proof).join("; ");
  const why = together === undefined ? "" : ` Removed together: ${together}`;
  return `| \`${rule}\` | ${section} | ${says} | ${noticed}.${why} |`;
}

function proof(kill: Kill): string {
  if (kill.by === "race") return `race “${kill.race}”: ${kill.kind}`;
  if (kill.by === "seed") return `seed ${kill.seed} on ${kill.nodes} nodes: ${kill.kind}`;
  return `\`${kill.file}\`: ${kill.name}`;
}
