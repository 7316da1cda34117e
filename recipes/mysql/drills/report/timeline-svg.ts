// A round as a picture: one lane for the clients, the faults and the lock, one per node, on one axis of time. Plain SVG,
// coloured by the page's style, readable without a script: each bar and mark has its sentence as hover title.
import type { Entry, EntryKind, Outage, Round } from "../result.ts";
import { duration } from "./figures.ts";
import { html, type Markup } from "./markup.ts";

const WIDTH = 1120;
const LABELS = 118;
const RIGHT = 22;
const LANE = 30;
const BAR = 18;
const TOP = 46;
const AXIS = 26;
/** A letter of the small text, about. */
const LETTER = 6.3;
/** More would be a black picture, and megabytes of it; the JSON has them all. */
const MOST_ENTRIES = 1_500;
const MOST_TICKS = 12;
/** Shown on both sides of an outage in its close-up: at least and at most. */
const AROUND_MS = [300, 1_500] as const;

/** How each kind is called in a bar that is wide enough, and in the legend. */
export const NAMES: Readonly<Record<EntryKind, string>> = {
  acknowledging: "acknowledging",
  outage: "no answer",
  primary: "primary",
  replica: "replica",
  candidate: "candidate",
  closed: "closed",
  down: "down",
  provisioning: "made anew",
  held: "held",
  fault: "fault",
  event: "event",
};

type Window = { readonly from: number; readonly to: number };
type Frame = Window & { readonly x: (at: number) => number; readonly lanes: readonly string[] };

/** The whole round; and where an outage is a small part of it, a close-up of that. */
export function picturesOf(round: Round): readonly Markup[] {
  const all: Window = { from: 0, to: Math.max(round.tookMs, 1) };
  const close = closeUpOf(round);
  const wide = picture(round, all, `${round.scenario}, round ${round.round}`);
  if (close === null) return [wide];
  return [wide, picture(round, close, `${round.scenario}, round ${round.round}, close-up`)];
}

function closeUpOf({ outage, faults, tookMs }: Round): Window | null {
  if (outage === null || outage.ms === 0 || outage.to === null) return null;
  const fault = faults.findLast(({ at }) => at <= (outage.to ?? at));
  const begins = Math.min(outage.from, fault?.at ?? outage.from);
  const around = Math.min(Math.max(outage.ms * 0.6, AROUND_MS[0]), AROUND_MS[1]);
  // A fault long before its outage has nothing to do with the picture of it.
  const from = Math.max(0, Math.max(begins, outage.from - 3 * around) - around / 3);
  const to = Math.min(tookMs, outage.to + around);
  return to - from > tookMs / 2 ? null : { from, to };
}

function picture(round: Round, window: Window, label: string): Markup {
  const lanes = lanesOf(round);
  const plot = WIDTH - LABELS - RIGHT;
  const x = (at: number): number => {
    const inside = Math.min(Math.max(at, window.from), window.to);
    return fixed(LABELS + ((inside - window.from) / (window.to - window.from)) * plot);
  };
  const frame: Frame = { ...window, x, lanes };
  const height = TOP + lanes.length * LANE + AXIS;
  const shown = joined(round.timeline).filter(
    ({ at, until = at }) => until >= window.from && at <= window.to,
  );
  const drawn = shown.slice(0, MOST_ENTRIES);
  const more = shown.length - drawn.length;
  return html`<svg
    class="timeline"
    viewBox="0 0 ${WIDTH} ${height}"
    role="img"
    aria-label="${label}"
  >
    ${lanes.map((lane, i) => laneOf(lane, i))} ${axisOf(frame, height)}
    ${outageBand(frame, round.outage, height)} ${guidesOf(frame, round, height)}
    ${drawn.map((entry) => drawingOf(frame, entry))}
    ${["faults", "lock"].map((lane) => textsOf(frame, drawn, lane))} ${phasesOf(frame, round)}
    ${more > 0 ? html`<text class="note" x="${WIDTH - RIGHT}" y="14" text-anchor="end">${more} more are in the JSON</text>` : null}
  </svg>`;
}

/** A node that says something new and stays what it is keeps one bar; its title has all that it said. */
function joined(timeline: readonly Entry[]): readonly Entry[] {
  const bars = new Map<string, Entry>();
  const done: Entry[] = [];
  for (const entry of timeline.toSorted((a, b) => a.at - b.at)) {
    const { lane, kind, at, until, text } = entry;
    // Two outages are two, however short what came between them.
    if (until === undefined || kind === "fault" || lane === "clients") {
      done.push(entry);
      continue;
    }
    const last = bars.get(lane);
    const touches = last?.kind === kind && last.until !== undefined && at - last.until < 1;
    if (last !== undefined && !touches) done.push(last);
    const said = last !== undefined && touches ? `${last.text}\n${text}` : text;
    bars.set(lane, last !== undefined && touches ? { ...last, until, text: said } : entry);
  }
  return [...done, ...bars.values()].toSorted((a, b) => a.at - b.at);
}

/** Those that are no node come first. */
function lanesOf({ timeline, nodes }: Round): readonly string[] {
  const used = new Set(timeline.map(({ lane }) => lane));
  const first = ["clients", "faults", "lock"].filter((lane) => used.has(lane));
  const named = nodes.map(({ node }) => node).filter((node) => used.has(node));
  return [...new Set([...first, ...named, ...[...used].toSorted()])];
}

function laneOf(lane: string, i: number): Markup {
  const y = TOP + i * LANE;
  return html`<line
      class="rule"
      x1="${LABELS}"
      x2="${WIDTH - RIGHT}"
      y1="${y + LANE}"
      y2="${y + LANE}"
    />
    <text class="lane" x="${LABELS - 10}" y="${y + LANE / 2 + 4}" text-anchor="end">${lane}</text>`;
}

const STEPS = [10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 3e4, 6e4, 12e4, 3e5, 6e5, 18e5];

function axisOf({ from, to, x, lanes }: Frame, height: number): Markup {
  const step = STEPS.find((one) => (to - from) / one <= MOST_TICKS) ?? to - from;
  const ticks: Markup[] = [];
  const bottom = TOP + lanes.length * LANE;
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) {
    const text = step < 1000 ? `${(at / 1000).toFixed(step < 100 ? 2 : 1)} s` : `${at / 1000} s`;
    ticks.push(
      html`<line class="tick" x1="${x(at)}" x2="${x(at)}" y1="${TOP}" y2="${bottom}" />
        <text class="time" x="${x(at)}" y="${height - 8}" text-anchor="middle">${text}</text>`,
    );
  }
  return html`<g>${ticks}</g>`;
}

function outageBand({ x, from, to, lanes }: Frame, outage: Outage | null, height: number): Markup {
  const end = outage?.to ?? to;
  if (outage === null || outage.ms === 0 || end < from || outage.from > to) return html``;
  const [left, right] = [x(outage.from), x(end)];
  const middle = Math.min(Math.max((left + right) / 2, LABELS + 30), WIDTH - RIGHT - 30);
  const title = `no write was acknowledged for ${duration(outage.ms)}`;
  return html`<g>
    <title>${title}</title>
    <rect
      class="band"
      x="${left}"
      y="${TOP - 22}"
      width="${Math.max(fixed(right - left), 1.5)}"
      height="${height - TOP - AXIS + 22}"
    />
    <text class="band-label" x="${fixed(middle)}" y="${TOP - 28}" text-anchor="middle"
      >${lanes.length === 0 ? "" : duration(outage.ms)}</text
    ></g
  >`;
}

/** Where faults began and were taken back. A mix has too many for lines through everything. */
function guidesOf({ x, from, to }: Frame, { faults }: Round, height: number): Markup {
  if (faults.length > 6) return html``;
  const line = (at: number, kind: string): Markup =>
    at < from || at > to
      ? html``
      : html`<line
          class="guide ${kind}"
          x1="${x(at)}"
          x2="${x(at)}"
          y1="${TOP - 22}"
          y2="${height - AXIS}"
        />`;
  return html`${faults.flatMap(({ at, healedAt }) => [
    line(at, "begin"),
    ...(healedAt === null ? [] : [line(healedAt, "heal")]),
  ])}`;
}

function drawingOf(frame: Frame, entry: Entry): Markup {
  const { x, lanes, from, to } = frame;
  const lane = lanes.indexOf(entry.lane);
  const y = TOP + lane * LANE + (LANE - BAR) / 2;
  if (entry.until === undefined) return markOf(x(entry.at), y, entry);
  const left = x(entry.at);
  const width = Math.max(fixed(x(entry.until) - left), 1.5);
  const name = entry.kind === "fault" || entry.lane === "lock" ? entry.text : NAMES[entry.kind];
  const room = Math.floor((width - 12) / LETTER);
  const text = name.length <= room ? name : room > 12 ? `${name.slice(0, room - 1)}…` : "";
  const [begins, ends] = [Math.max(entry.at, from), Math.min(entry.until, to)];
  const title = `${entry.text} — ${duration(entry.until - entry.at)}, from ${duration(entry.at)}`;
  if (begins > ends) return html``;
  return html`<g class="k-${entry.kind}">
    <title>${title}</title>
    <rect x="${left}" y="${y}" width="${width}" height="${BAR}" rx="3" />
    ${text === "" ? null : html`<text x="${fixed(left + 6)}" y="${y + 13}">${text}</text>`}</g
  >`;
}

function markOf(x: number, y: number, { kind, text, at }: Entry): Markup {
  const title = `${text} — at ${duration(at)}`;
  const middle = y + BAR / 2;
  const shape =
    kind === "fault"
      ? `M${x} ${y + BAR} l-6 -${BAR - 3} h12 z`
      : `M${x} ${middle - 5} l5 5 l-5 5 l-5 -5 z`;
  return html`<g class="k-${kind} mark"><title>${title}</title><path d="${shape}" /></g>`;
}

/** Where a lane has room between its marks, what happened stands beside them. */
function textsOf({ x, lanes, from, to }: Frame, entries: readonly Entry[], own: string): Markup {
  const y = TOP + lanes.indexOf(own) * LANE + LANE / 2 + 4;
  const here = entries.filter(({ lane, at }) => lane === own && at >= from && at <= to);
  const texts = here.flatMap(({ at, until, text }, i) => {
    if (until !== undefined) return [];
    const left = x(at) + 10;
    const next = here[i + 1];
    const room = (next === undefined ? WIDTH - RIGHT : x(next.at) - 8) - left;
    return text.length * LETTER > room
      ? []
      : [html`<text class="said" x="${fixed(left)}" y="${y}">${text}</text>`];
  });
  return html`${texts}`;
}

/** Noticed, elected, open: above the lanes, named where there is room. */
function phasesOf({ x, from, to }: Frame, { phases, faults }: Round): Markup {
  const [fault] = faults;
  // In the picture of a whole long round they would lie on each other.
  if (phases === null || fault === undefined || to - from > 30_000) return html``;
  const all = [
    ["noticed", phases.detectMs],
    ["election", phases.electMs],
    ["open", phases.promoteMs],
  ] as const;
  const marks = all.flatMap(([name, ms]) =>
    ms === null || fault.at + ms < from || fault.at + ms > to
      ? []
      : [{ name, ms, at: x(fault.at + ms) }],
  );
  return html`${marks.map(({ name, ms, at }, i) => {
    const room = (marks[i + 1]?.at ?? WIDTH) - at;
    const text = `${name} ${duration(ms)}`;
    const fits = room > text.length * LETTER + 14;
    return html`<g class="phase">
      <title>${name} ${duration(ms)} after the fault</title>
      <path
        d="M${at} ${TOP - 3} l-4.5 -7 h9 z"
      />${fits ? html`<text x="${fixed(at + 8)}" y="${TOP - 5}">${text}</text>` : null}</g
    >`;
  })}`;
}

/** A tenth of a pixel is enough, and makes the page half as long. */
function fixed(value: number): number {
  return Math.round(value * 10) / 10;
}
