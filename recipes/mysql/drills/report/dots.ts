// All outages of one scenario as dots on one scale, the same in every row, so that rows compare at a glance.
import type { ScenarioFigures } from "./figures.ts";
import { duration } from "./figures.ts";
import { html, type Markup } from "./markup.ts";

const WIDTH = 190;
const LEFT = 8;
const RIGHT = 8;
/** Logarithmic from 10 ms to 100 s: what is beyond lies on the edge. */
const DECADES = { from: 1, to: 5 };
const LINE = 13;

export function dotsOf({ rounds, outage, limits }: ScenarioFigures): Markup {
  const known = rounds.flatMap((round) =>
    round.outage === null || round.verdict === "invalid" ? [] : [{ round, ms: round.outage.ms }],
  );
  if (known.length === 0) return html``;
  const grid = [100, 1_000, 10_000].map(
    (ms) =>
      html`<line class="grid" x1="${x(ms)}" x2="${x(ms)}" y1="3" y2="22" />
        <text x="${x(ms)}" y="32" text-anchor="middle">${ms / 1000} s</text>`,
  );
  const dots = known.map(
    ({ round, ms }) =>
      html`<circle class="dot" cx="${x(ms)}" cy="${LINE}" r="3.6"
        ><title>round ${round.round}: ${duration(ms)}</title></circle
      >`,
  );
  const limit = (ms: number, kind: string, name: string): Markup =>
    html`<line class="limit ${kind}" x1="${x(ms)}" x2="${x(ms)}" y1="4" y2="22"
      ><title>limit of the ${name}: ${duration(ms)}</title></line
    >`;
  const marks =
    limits === null
      ? []
      : [limit(limits.medianMs, "median", "median"), limit(limits.maxMs, "", "maximum")];
  const median =
    outage === null
      ? null
      : html`<path class="median-mark" d="M${x(outage.median)} ${LINE - 5} l-3.5 -6 h7 z"
          ><title>median ${duration(outage.median)}</title></path
        >`;
  return html`<svg
    class="dots"
    viewBox="0 0 ${WIDTH} 34"
    role="img"
    aria-label="outage of each round"
  >
    <line class="axis" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${LINE}" y2="${LINE}" />
    ${grid}${marks}${dots}${median}
  </svg>`;
}

function x(ms: number): number {
  const at = Math.log10(Math.max(ms, 1));
  const share = (at - DECADES.from) / (DECADES.to - DECADES.from);
  const inside = Math.min(Math.max(share, 0), 1);
  return Math.round((LEFT + inside * (WIDTH - LEFT - RIGHT)) * 10) / 10;
}
