// The verbs behind `autopilot drill`: options, the report, and what people and programs see while it runs.
import { RefusedError, UsageError, type LabCall } from "../../../src/index.ts";
import { table } from "../verbs/table.ts";
import { localTargets } from "./local.ts";
import { freshReport } from "./report-head.ts";
import { loadReport, playedOf, resumed, saveReport, type Places } from "./report/file.ts";
import type { DrillReport, Round } from "./result.ts";
import { runDrills } from "./runner.ts";
import type { Scenario } from "./scenario.ts";
import { scenariosNamed, SCENARIOS } from "./scenarios.ts";
import { monotonicNow } from "./ledger.ts";
import { startWitness } from "./witness.ts";

export function listDrills(call: LabCall): number {
  const facts = SCENARIOS.map(({ name, does, expects, limits }) => ({
    name,
    does,
    expects,
    limits,
  }));
  if (call.json) call.print(JSON.stringify(facts));
  else
    call.print(
      table(
        ["SCENARIO", "OUTAGE AT MOST", "DOES"],
        facts.map(({ name, does, limits }) => [
          name,
          limits === null ? "-" : `${limits.maxMs / 1000} s`,
          does,
        ]),
      ),
    );
  return 0;
}

/** Exit code 0: every round passed, or was skipped, which is said; 1: not so. Errors: UsageError, RefusedError. */
export async function runDrillCommand(call: LabCall, names: readonly string[]): Promise<number> {
  const asked = optionsOf(call, names);
  const report = await reportFor(asked, await call.lab.versions());
  let current: DrillReport = report;
  const writing = new Writing(asked.places);
  const show = shower(call);
  const fresh: Round[] = [];
  call.signal.addEventListener("abort", () =>
    call.progress("breaking off: healing, then the verdict; once more ends it at once"),
  );
  try {
    await runDrills({
      ...asked,
      clock: call.clock,
      signal: call.signal,
      maker: localTargets(call.lab),
      startWitness,
      played: (name) => playedOf(current, name),
      say: show.say,
      onBegin: show.begin,
      onRound(round) {
        show.round(round);
        fresh.push(round);
        const endedAt = new Date().toISOString();
        current = { ...current, endedAt, rounds: [...current.rounds, round] };
        writing.save(current);
      },
    });
  } finally {
    await writing.done();
  }
  show.end(fresh, asked);
  return fresh.every(({ verdict }) => verdict === "passed" || verdict === "skipped") &&
    !call.signal.aborted
    ? 0
    : 1;
}

type Asked = {
  readonly scenarios: readonly Scenario[];
  readonly rounds: number;
  readonly seed: number;
  readonly minutes: number;
  readonly patience: number;
  readonly holding: number;
  readonly resume: string | null;
  readonly places: Places;
};

const MOST_ROUNDS = 10_000;
const MOST_MINUTES = 7 * 24 * 60;
const MOST_NODES = 9;
const MOST_PATIENCE = 100;

function optionsOf({ options }: LabCall, names: readonly string[]): Asked {
  const text = (name: string): string | null => {
    const value = options[name];
    return typeof value === "string" ? value : null;
  };
  const number = (name: string, otherwise: number, [least, most]: readonly [number, number]) => {
    const given = text(name);
    const value = given === null ? otherwise : Number(given);
    if (given !== "" && value >= least && value <= most) return value;
    throw new UsageError("AP_USAGE", `--${name}: expected a number from ${least} to ${most}`);
  };
  const whole = (name: string, otherwise: number, range: readonly [number, number]): number => {
    const value = number(name, otherwise, range);
    if (Number.isInteger(value)) return value;
    throw new UsageError("AP_USAGE", `--${name}: expected a whole number`);
  };
  refuseTarget(text("target") ?? "local");
  if (names.length === 0)
    throw new UsageError("AP_USAGE", "drill run: which scenario?", {
      hint: "`autopilot drill list` shows them; all is all of them but the mix",
    });
  const nodes = whole("nodes", 3, [3, MOST_NODES]);
  const html = text("report");
  const resume = text("resume");
  const json = resume ?? (html === null ? null : `${html.replace(/\.html?$/, "")}.json`);
  return {
    scenarios: scenariosNamed(names).map((scenario) => sized(scenario, nodes)),
    rounds: whole("rounds", 1, [1, MOST_ROUNDS]),
    seed: whole("seed", Math.floor(Math.random() * 2 ** 32), [0, 2 ** 32 - 1]),
    minutes: number("minutes", 5, [0.1, MOST_MINUTES]),
    patience: number("patience", 1, [1, MOST_PATIENCE]),
    holding: number("hold", 1, [0.05, MOST_PATIENCE]),
    resume,
    places: { json, html },
  };
}

/** A scenario for two nodes stays one for two. */
function sized(scenario: Scenario, nodes: number): Scenario {
  const { shape } = scenario;
  return shape.nodes === 3 ? { ...scenario, shape: { ...shape, nodes } } : scenario;
}

function refuseTarget(target: string): void {
  if (target === "local") return;
  if (target !== "compose")
    throw new UsageError("AP_USAGE", `--target: expected local or compose, not ${target}`);
  throw new RefusedError("AP_DRILL_TARGET", "drills of containers are not built yet");
}

async function reportFor(asked: Asked, versions: DrillReport["tools"]): Promise<DrillReport> {
  const now = freshReport({ ...asked, versions });
  return asked.resume === null ? now : resumed(await loadReport(asked.resume), now);
}

/** One write at a time; the newest report wins. */
class Writing {
  readonly #places: Places;
  #last: Promise<void> = Promise.resolve();
  #failure: unknown = null;

  constructor(places: Places) {
    this.#places = places;
  }

  save(report: DrillReport): void {
    this.#last = this.#last
      .then(() => saveReport(this.#places, report))
      .catch((error: unknown) => {
        this.#failure = error;
      });
  }

  async done(): Promise<void> {
    await this.#last;
    if (this.#failure !== null) throw this.#failure;
  }
}

type Shower = {
  readonly begin: (scenario: string, round: number) => void;
  readonly say: (text: string) => void;
  readonly round: (round: Round) => void;
  readonly end: (rounds: readonly Round[], asked: Asked) => void;
};

/** A line per phase for people; one JSON object per line for programs. */
function shower(call: LabCall): Shower {
  const began = monotonicNow();
  let [scenario, round] = ["", 0];
  const seconds = (): string => ((monotonicNow() - began) / 1000).toFixed(1).padStart(7);
  const line = (event: string, facts: object): void =>
    call.print(JSON.stringify({ event, ...facts }));
  if (call.json)
    return {
      begin: (name, number) => {
        [scenario, round] = [name, number];
        line("begin", { scenario, round });
      },
      say: (what) => line("progress", { scenario, round, what: what.trim() }),
      round: (played) => line("round", played),
      end: (rounds, { seed }) => line("end", { seed, ...tally(rounds) }),
    };
  return {
    begin: (name, number) => call.print(`${seconds()} s  ${name}, round ${number}`),
    say: (text) => call.print(`${seconds()} s    ${text}`),
    round: (played) => call.print(`${seconds()} s  ${sentence(played)}`),
    end(rounds, { places, seed }) {
      const { passed, failed, invalid, skipped } = tally(rounds);
      const counts = `${passed} passed, ${failed} failed, ${invalid} invalid, ${skipped} skipped`;
      call.print(`${counts}; seed ${seed}`);
      for (const path of [places.html, places.json]) if (path !== null) call.print(`  ${path}`);
    },
  };
}

function tally(rounds: readonly Round[]) {
  const count = (verdict: Round["verdict"]): number =>
    rounds.filter((round) => round.verdict === verdict).length;
  return {
    passed: count("passed"),
    failed: count("failed"),
    invalid: count("invalid"),
    skipped: count("skipped"),
  };
}

function sentence({ scenario, verdict, outage, ledger, reasons }: Round): string {
  const gap = outage === null ? "" : `, outage ${Math.round(outage.ms)} ms`;
  const writes =
    ledger === null ? "" : `, ${ledger.acknowledged} acknowledged, ${ledger.lost} lost`;
  const why = reasons.length === 0 ? "" : `: ${reasons.join("; ")}`;
  return `${scenario} ${verdict.toUpperCase()}${gap}${writes}${why}`;
}
