// One round on the page: its picture, what was done and how we know, what the checker counted, how each node ended.
import type { LedgerCounts, NodeEnd, Round } from "../result.ts";
import { violationsOf } from "../verdict.ts";
import { duration, grouped, type ScenarioFigures } from "./figures.ts";
import { html, type Markup } from "./markup.ts";
import { picturesOf } from "./timeline-svg.ts";

const TONES = { passed: "good", failed: "bad", invalid: "warn", skipped: "none" } as const;

export function roundsOf(scenario: ScenarioFigures): Markup {
  const { name, does, expects, rounds } = scenario;
  // Of many rounds the slowest one tells most; whatever did not pass is open as well.
  const ms = (round: Round): number => round.outage?.ms ?? -1;
  const slowest = rounds.reduce<Round | null>(
    (worst, one) => (worst === null || ms(one) > ms(worst) ? one : worst),
    null,
  );
  const items = rounds.map((round) =>
    roundOf(round, round === slowest || round.verdict === "failed" || round.verdict === "invalid"),
  );
  return html`<section>
    <h3 id="${name}">${name}</h3>
    <p class="muted">
      ${sentence(does)}${expects === "" ? null : html` Expected: ${ended(expects)}`}
    </p>
    ${items}
  </section>`;
}

export function anchorOf({ scenario, round }: Pick<Round, "scenario" | "round">): string {
  return `${scenario}-${round}`;
}

export function sentence(text: string): string {
  return ended(text.charAt(0).toUpperCase() + text.slice(1));
}

function ended(text: string): string {
  return /[.!?]$/.test(text) || text === "" ? text : `${text}.`;
}

function roundOf(round: Round, open: boolean): Markup {
  const { verdict, outage, stalledMs, startedAt, tookMs, seed, reasons } = round;
  const attribute = open && verdict !== "skipped" ? html` open` : null;
  const was =
    outage === null
      ? ""
      : outage.to === null
        ? "no answer until the end"
        : `outage ${duration(outage.ms)}`;
  const head = html`<summary>
    <span class="n">Round ${round.round}</span>
    <span class="pill ${TONES[verdict]}">${verdict}</span><span class="outage">${was}</span>
    <span class="muted small">${sinceFault(round)}</span>
  </summary>`;
  const stalled =
    stalledMs === 0
      ? null
      : html`<p class="muted small">
          The client process itself did not run for up to ${duration(stalledMs)}: that much of an
          outage may be this machine’s.
        </p>`;
  const why =
    reasons.length === 0
      ? null
      : html`<div class="reasons ${TONES[verdict]}">
          ${reasons.map((one) => html`<p>${one}</p>`)}
        </div>`;
  const when = `${startedAt.slice(0, 19).replace("T", " ")} UTC, took ${duration(tookMs)}, ${round.size} nodes, seed ${seed}`;
  return html`<details id="${anchorOf(round)}" class="is-${verdict}" ${attribute}>
    ${head}${why} ${round.timeline.length === 0 ? null : picturesOf(round)}
    <div class="cols">${faultsOf(round)}${endsOf(round.nodes)}${countsOf(round.ledger)}</div>
    ${stalled}
    <p class="muted small">${when}</p>
  </details>`;
}

/** The three times that make up a failover, from the fault on. */
function sinceFault({ phases }: Round): string {
  if (phases === null) return "";
  const parts = [
    ["noticed", phases.detectMs],
    ["election", phases.electMs],
    ["open", phases.promoteMs],
  ] as const;
  return parts
    .flatMap(([name, ms]) => (ms === null ? [] : [`${name} ${duration(ms)}`]))
    .join(" · ");
}

function faultsOf({ faults }: Round): Markup {
  const items = faults.map(({ what, node, at, proof, healedAt }) => {
    const back = healedAt === null ? "" : `; taken back at ${duration(healedAt)}`;
    const seen =
      proof === null
        ? html`<span class="over">nothing shows that it took effect</span>`
        : html`<span class="muted">${proof}</span>`;
    return html`<li>
      ${duration(at)}: ${node === null ? "" : `${node}: `}${what}<br />${seen}<span class="muted"
        >${back}</span
      >
    </li>`;
  });
  return items.length === 0
    ? html``
    : html`<div>
        <h4>What was done, and the proof</h4>
        <ul>
          ${items}
        </ul>
      </div>`;
}

function endsOf(nodes: readonly NodeEnd[]): Markup {
  if (nodes.length === 0) return html``;
  const items = nodes.map(({ node, state, evidence }) => {
    const tone = state === "diverged" ? "over" : "";
    return html`<li>
      <span class="${tone}">${node}: ${state}</span
      >${evidence === null ? null : html`<br /><span class="muted">${evidence}</span>`}
    </li>`;
  });
  return html`<div>
    <h4>How each node ended</h4>
    <ul>
      ${items}
    </ul>
  </div>`;
}

function countsOf(ledger: LedgerCounts | null): Markup {
  if (ledger === null) return html``;
  const { acknowledged, unknown, refused } = ledger;
  const wrong = violationsOf(ledger);
  const all = html`<li>
    ${grouped(acknowledged)} acknowledged, ${grouped(unknown)} without an answer,
    ${grouped(refused)} refused
  </li>`;
  const none = html`<li class="muted">
    None is lost or applied twice, no transfer is torn, nothing that was seen is gone.
  </li>`;
  const found = wrong.map((one) => html`<li class="over">${one}</li>`);
  return html`<div>
    <h4>The clients’ ledger</h4>
    <ul>
      ${all}${wrong.length === 0 ? none : found}
    </ul>
  </div>`;
}
