// What a report's rounds come to, PURE: per scenario, and in all.
import type { DrillReport, LedgerCounts, Round, ScenarioFacts } from "../result.ts";

export type Spread = { readonly median: number; readonly max: number };

export type ScenarioFigures = ScenarioFacts & {
  readonly rounds: readonly Round[];
  readonly passed: number;
  readonly failed: number;
  /** Rounds that prove nothing, either way. */
  readonly invalid: number;
  readonly skipped: number;
  /** Of rounds whose fault took effect. */
  readonly outage: Spread | null;
  readonly detect: Spread | null;
  readonly elect: Spread | null;
  readonly promote: Spread | null;
  readonly ledger: LedgerCounts;
  /** Null: no limits, or nothing to compare. */
  readonly withinLimits: boolean | null;
};

const NOTHING: LedgerCounts = {
  acknowledged: 0,
  unknown: 0,
  refused: 0,
  lost: 0,
  doubled: 0,
  invented: 0,
  diverged: 0,
  vanished: 0,
  imbalanced: 0,
  twoAcknowledging: 0,
};

/** Every scenario that has rounds, in the report's order; one that the report does not describe comes last. */
export function figuresOf(report: DrillReport): readonly ScenarioFigures[] {
  const described = new Map(report.scenarios.map((facts) => [facts.name, facts]));
  const names = new Set([...described.keys(), ...report.rounds.map(({ scenario }) => scenario)]);
  return [...names].flatMap((name) => {
    const rounds = report.rounds.filter(({ scenario }) => scenario === name);
    const facts = described.get(name) ?? { name, does: "", expects: "", limits: null };
    return rounds.length === 0 ? [] : [scenarioFigures(facts, rounds)];
  });
}

function scenarioFigures(facts: ScenarioFacts, rounds: readonly Round[]): ScenarioFigures {
  const count = (verdict: Round["verdict"]): number =>
    rounds.filter((round) => round.verdict === verdict).length;
  const valid = rounds.filter(({ verdict }) => verdict === "passed" || verdict === "failed");
  const spread = (of: (round: Round) => number | null | undefined): Spread | null =>
    spreadOf(valid.map(of).filter((value) => typeof value === "number"));
  const outage = spread(({ outage: one }) => one?.ms);
  const { limits } = facts;
  return {
    ...facts,
    rounds,
    passed: count("passed"),
    failed: count("failed"),
    invalid: count("invalid"),
    skipped: count("skipped"),
    outage,
    detect: spread(({ phases }) => phases?.detectMs),
    elect: spread(({ phases }) => phases?.electMs),
    promote: spread(({ phases }) => phases?.promoteMs),
    ledger: sumOf(rounds),
    withinLimits:
      limits === null || outage === null
        ? null
        : outage.median <= limits.medianMs && outage.max <= limits.maxMs,
  };
}

export function sumOf(rounds: readonly Round[]): LedgerCounts {
  return rounds.reduce((sum, { ledger }) => {
    const names = Object.keys(sum) as (keyof LedgerCounts)[];
    const added = names.map((name) => [name, sum[name] + (ledger?.[name] ?? 0)] as const);
    return { ...sum, ...Object.fromEntries(added) };
  }, NOTHING);
}

/** The middle of the two middle ones for an even count; null of none. */
export function spreadOf(values: readonly number[]): Spread | null {
  const sorted = values.toSorted((a, b) => a - b);
  const low = sorted[Math.floor((sorted.length - 1) / 2)];
  const high = sorted[Math.ceil((sorted.length - 1) / 2)];
  const max = sorted.at(-1);
  if (low === undefined || high === undefined || max === undefined) return null;
  return { median: (low + high) / 2, max };
}

/** "0.31 s", "12.4 s", "7 ms": as many digits as say something. */
export function duration(ms: number): string {
  if (ms < 10) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < 100_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.round(ms / 1000)} s`;
}

/** 1234567 → "1 234 567", with thin spaces that do not break. */
export function grouped(count: number): string {
  return String(count).replaceAll(/\B(?=(\d{3})+$)/g, "\u202f");
}
