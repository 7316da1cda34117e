// `npm run backup:faults -- --rounds 200 --seed 7 [--minutes 10] [--kind NAME]`: injects faults into backups and restores,
// one a round, and prints a summary as JSON. Exit 1 when anything was found; each finding names its seed.
import { parseArgs } from "node:util";
import { KINDS } from "./kinds.ts";
import { playRound, type Round } from "./round.ts";
import { startStand } from "./stand.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
    minutes: { type: "string", default: "0" },
    kind: { type: "string" },
  },
});
const [rounds, seed, minutes] = [values.rounds, values.seed, values.minutes].map(Number) as [
  number,
  number,
  number,
];
const kinds = values.kind === undefined ? Object.keys(KINDS) : [values.kind];
if (![rounds, seed, minutes].every(Number.isFinite) || !kinds.every((kind) => kind in KINDS)) {
  process.stderr.write(`kinds: ${Object.keys(KINDS).join(", ")}\n`);
  process.exit(64);
}

await using stand = await startStand();
const begun = performance.now();
const over = (played: number): boolean =>
  minutes > 0 ? performance.now() - begun > minutes * 60_000 : played >= rounds;
const played: Round[] = [];
for (let i = 0; !over(i); i++) {
  const round = await playRound(stand, seed * 1_000_000 + i, kinds[i % kinds.length] ?? "");
  played.push(round);
  if (round.violations.length > 0) process.stderr.write(`${JSON.stringify(round)}\n`);
}

const count = (of: (round: Round) => string): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const round of played) counts[of(round)] = (counts[of(round)] ?? 0) + 1;
  return counts;
};
const violated = played.filter(({ violations }) => violations.length > 0);
const skipped = played.filter((round) => round.skipped !== null);
const summary = {
  seed,
  rounds: played.length,
  seconds: Math.round((performance.now() - begun) / 1000),
  skipped: skipped.length,
  /** Faults on the way that no request met: those rounds prove nothing. */
  notMet: played.filter(({ met }) => met === false).length,
  violated,
  kinds: count(({ kind }) => kind),
  backups: count(({ backup }) => backup),
  restores: count(({ restore }) => restore),
};
process.stdout.write(`${JSON.stringify(summary, null, 2)}\n`);
process.exitCode = violated.length > 0 ? 1 : 0;
