// The report as one page that needs nothing else: no script, no font, no picture from anywhere.
import type { DrillReport } from "../result.ts";
import { violationsOf } from "../verdict.ts";
import { dotsOf } from "./dots.ts";
import { elsewhere, SOURCES } from "./elsewhere.ts";
import { duration, figuresOf, grouped, spreadOf, sumOf, type ScenarioFigures } from "./figures.ts";
import { html, type Markup } from "./markup.ts";
import { anchorOf, roundsOf, sentence } from "./rounds.ts";
import { STYLE } from "./style.ts";
import { NAMES } from "./timeline-svg.ts";

export function pageOf(report: DrillReport): string {
  const scenarios = figuresOf(report);
  const body = html`<main>
    ${headOf(report)}${bannerOf(report)}${tilesOf(report)}
    <h2>Scenarios</h2>
    <p class="muted">
      Each round harms a living cluster under load, proves that the fault took effect, takes it
      back, waits until the cluster is whole, and compares what every client was told with what
      every node holds.
    </p>
    ${tableOf(scenarios)}${howToRead()}
    <h2>Rounds</h2>
    ${legend()}${scenarios.map(roundsOf)} ${sourcesOf(scenarios)}${footOf(report)}
  </main>`;
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width,initial-scale=1" />
        <title>Failure drills: ${verdictOf(report).text}</title>
        <style>
          ${{ markup: STYLE }}
        </style>
      </head>
      <body>
        ${body}
      </body>
    </html> `.markup;
}

function headOf({ tools, machine, startedAt, endedAt }: DrillReport): Markup {
  const versions = Object.entries(tools)
    .map(([name, version]) => `${name} ${version}`)
    .join(" · ");
  const day = (at: string): string => `${at.slice(0, 16).replace("T", " ")} UTC`;
  const when = endedAt === null ? `since ${day(startedAt)}` : `${day(startedAt)} – ${day(endedAt)}`;
  const memory = `${(machine.memoryMiB / 1024).toFixed(0)} GiB`;
  const where = `${machine.cores} × ${machine.cpu}, ${memory}, ${machine.system}`;
  return html`<header>
    <h1>Failure drills</h1>
    <p class="muted small">${versions}<br />${where}<br />${when}</p>
  </header>`;
}

type Verdict = {
  readonly tone: "good" | "bad" | "warn";
  readonly text: string;
  readonly more: string;
};

function verdictOf(report: DrillReport): Verdict {
  const { rounds } = report;
  const count = (verdict: string): number => rounds.filter((one) => one.verdict === verdict).length;
  const [passed, failed, invalid] = [count("passed"), count("failed"), count("invalid")];
  const some = (n: number, what: string): string => `${n} ${n === 1 ? "round" : "rounds"} ${what}`;
  const violations = violationsOf(sumOf(rounds));
  if (failed > 0) return { tone: "bad", text: some(failed, "failed"), more: violations.join("; ") };
  if (passed + invalid === 0) return { tone: "warn", text: "No round was played", more: "" };
  if (invalid > 0)
    return { tone: "warn", text: some(invalid, "proved nothing"), more: some(passed, "passed") };
  const text = `All ${some(passed, "passed")}`;
  const slow = figuresOf(report).filter(({ withinLimits }) => withinLimits === false);
  if (slow.length === 0) return { tone: "good", text, more: "" };
  const names = slow.map(({ name }) => name).join(", ");
  return { tone: "warn", text, more: `slower than they should be: ${names}` };
}

function bannerOf(report: DrillReport): Markup {
  const { tone, text, more } = verdictOf(report);
  const sign = { good: "✓", bad: "✗", warn: "?" }[tone];
  return html`<div class="banner ${tone}">
    <span class="sign">${sign}</span
    ><span>${text}${more === "" ? null : html` <small>${more}</small>`}</span>
  </div>`;
}

function tilesOf({ rounds }: DrillReport): Markup {
  const sum = sumOf(rounds);
  const played = rounds.filter(({ verdict }) => verdict !== "skipped").length;
  const passed = rounds.filter(({ verdict }) => verdict === "passed").length;
  const apart = rounds.flatMap(({ nodes }) => nodes).filter(({ state }) => state === "diverged");
  const tile = (value: string, name: string, bad = false): Markup =>
    html`<div class="tile ${bad ? "is-bad" : ""}"><b>${value}</b><span>${name}</span></div>`;
  const none = (count: number, name: string): Markup => tile(grouped(count), name, count > 0);
  return html`<div class="tiles">
    ${tile(`${passed} / ${played}`, "rounds passed", passed < played)}
    ${tile(grouped(sum.acknowledged), "writes acknowledged")}
    ${none(sum.lost + sum.vanished, "of them lost")}
    ${none(sum.doubled + sum.invented, "applied twice or never sent")}
    ${none(sum.imbalanced, "transfers torn")} ${none(sum.twoAcknowledging, "by a second primary")}
    ${none(apart.length + sum.diverged, "nodes or rows apart")}
  </div>`;
}

function tableOf(scenarios: readonly ScenarioFigures[]): Markup {
  return html`<div class="wide">
    <table>
      <thead>
        <tr>
          <th>scenario</th>
          <th>rounds passed</th>
          <th class="num">outage<br />median</th>
          <th class="num">outage<br />max</th>
          <th>each round, and the limits</th>
          <th class="num">noticed · election · open<br />medians, from the fault</th>
          <th class="num">lost · twice ·<br />two primaries</th>
          <th>elsewhere, documented</th>
        </tr>
      </thead>
      <tbody>
        ${scenarios.map(rowOf)}
      </tbody>
    </table>
  </div>`;
}

function rowOf(scenario: ScenarioFigures): Markup {
  const { name, does, rounds, passed, skipped, outage, limits, ledger } = scenario;
  const strip = rounds.map(
    (round) =>
      html`<a
        class="s-${round.verdict}"
        href="#${anchorOf(round)}"
        title="round ${round.round}: ${round.verdict}"
      ></a>`,
  );
  const over = (ms: number | undefined, limit: number | undefined): string =>
    ms !== undefined && limit !== undefined && ms > limit ? "num over" : "num";
  const shown = (ms: number | undefined): string => (ms === undefined ? "–" : duration(ms));
  const phases = [scenario.detect, scenario.elect, scenario.promote];
  const medians = phases.map((one) => shown(one?.median)).join(" · ");
  const { lost, vanished, doubled, twoAcknowledging } = ledger;
  const wrong = violationsOf(ledger).length > 0;
  const counts = `${lost + vanished} · ${doubled} · ${twoAcknowledging}`;
  const limit =
    limits === null ? "" : `limits ${limits.medianMs / 1000} s / ${limits.maxMs / 1000} s`;
  return html`<tr>
    <td>
      <a class="name" href="#${name}">${name}</a>
      <div class="does">${sentence(does)}</div>
    </td>
    <td>
      ${passed} /
      ${rounds.length - skipped}${skipped > 0 ? html` <span class="none">(${skipped} skipped)</span>` : null}
      <div class="strip">${strip}</div>
    </td>
    <td class="${over(outage?.median, limits?.medianMs)}">${shown(outage?.median)}</td>
    <td class="${over(outage?.max, limits?.maxMs)}">${shown(outage?.max)}</td>
    <td>${dotsOf(scenario)}<span class="none small">${limit}</span></td>
    <td class="num">
      ${phases.every((one) => one === null) ? html`<span class="none">–</span>` : medians}
    </td>
    <td class="num ${wrong ? "over" : ""}">${counts}</td>
    <td class="else">${elsewhereOf(name)}</td>
  </tr>`;
}

function elsewhereOf(name: string): readonly Markup[] {
  return elsewhere(name).map(
    ({ system, figure, source }) =>
      html`<div>
        ${system} <b>${figure}</b><sup><a href="#source-${source}">${source}</a></sup>
      </div>`,
  );
}

function howToRead(): Markup {
  return html`<p class="muted small" style="margin-top:12px">
    An outage is the longest time in which no client got an acknowledgement, on the clients’ own
    clock. A client has one statement outstanding, gives up connecting after 250 ms, counts a
    statement that hangs for a second as unknown, and goes on with the next node and a new id.
    Elsewhere: what those systems document, or others measured, on other machines with other
    clients; a range from defaults is what their timers add up to.
  </p>`;
}

const LEGEND = [
  "acknowledging",
  "outage",
  "primary",
  "replica",
  "candidate",
  "closed",
  "down",
  "provisioning",
  "fault",
] as const;

function legend(): Markup {
  const items = LEGEND.map(
    (kind) =>
      html`<li>
        <svg viewBox="0 0 22 12" aria-hidden="true">
          <g class="k-${kind}"><rect width="22" height="12" rx="3" /></g></svg
        >${NAMES[kind]}
      </li>`,
  );
  return html`<ul class="legend">
    ${items}
  </ul>`;
}

function sourcesOf(scenarios: readonly ScenarioFigures[]): Markup {
  if (!scenarios.some(({ name }) => elsewhere(name).length > 0)) return html``;
  const items = SOURCES.map((source, i) => html`<li id="source-${i + 1}">${source}</li>`);
  return html`<h2>Sources</h2>
    <ol class="sources">
      ${items}
    </ol>`;
}

function footOf({ seed, rounds }: DrillReport): Markup {
  const median = spreadOf(rounds.map(({ tookMs }) => tookMs))?.median;
  const took = median === undefined ? "" : `; the median round took ${duration(median)}`;
  return html`<footer>
    Seed ${seed}${took}. The JSON beside this page has everything that is shown here, and is what
    <code>--resume</code> continues.
  </footer>`;
}
