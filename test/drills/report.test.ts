// The report: what it shows is what the rounds say, nothing in it can become a tag, it needs nothing from anywhere, and
// its JSON goes on where it stopped.
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { elsewhere, SOURCES } from "../../recipes/mysql/drills/report/elsewhere.ts";
import { duration, figuresOf, grouped } from "../../recipes/mysql/drills/report/figures.ts";
import {
  loadReport,
  playedOf,
  resumed,
  saveReport,
} from "../../recipes/mysql/drills/report/file.ts";
import { escape, html } from "../../recipes/mysql/drills/report/markup.ts";
import { pageOf } from "../../recipes/mysql/drills/report/page.ts";
import type { Entry, Round } from "../../recipes/mysql/drills/result.ts";
import { COUNTS, failover, sampleReport } from "./sample-report.ts";

const EVIL = `</title><script>alert("1")</script>&'<img src=x onerror=y>`;
const VOID = new Set(["meta", "br", "!doctype"]);

/** What is open at the end, or was closed without being open. */
function unbalanced(page: string): readonly string[] {
  const open: string[] = [];
  const wrong: string[] = [];
  const text = page.replace(/<style>[\s\S]*?<\/style>/, "");
  for (const [, close, name = "", attributes = ""] of text.matchAll(/<(\/?)([\w!-]+)([^>]*)>/g)) {
    if (VOID.has(name.toLowerCase()) || attributes.endsWith("/")) continue;
    if (close === "") open.push(name);
    else if (open.pop() !== name) wrong.push(name);
  }
  return [...wrong, ...open];
}

const evil: Round = failover(400, {
  scenario: EVIL,
  verdict: "failed",
  reasons: [EVIL],
  faults: [{ what: EVIL, node: EVIL, at: 1, proof: EVIL, healedAt: 2 }],
  nodes: [{ node: EVIL, state: "set aside", evidence: EVIL }],
  timeline: [
    { at: 0, until: 9_000, lane: EVIL, kind: "primary", text: EVIL },
    { at: 5, lane: "lock", kind: "event", text: EVIL },
  ],
});

test("nothing that a node says can become a tag or an attribute", () => {
  const report = sampleReport([evil]);
  const page = pageOf({ ...report, tools: { [EVIL]: EVIL } });
  expect(page).not.toContain("<script");
  expect(page).not.toContain("<img");
  expect(page).toContain(escape(EVIL));
  expect(unbalanced(page)).toEqual([]);
  expect(html`<p title="${EVIL}">${EVIL}</p>`.markup.match(/[<>]/g)).toHaveLength(4);
  expect(escape("a\u0000b\u001bc\td")).toBe("a\uFFFDb\uFFFDc\td");
});

test("the page is complete in itself: no script, and nothing from anywhere", () => {
  const page = pageOf(sampleReport([failover(310), failover(4_000, { round: 2 })]));
  expect(page).not.toMatch(/<script|<link|<img|<iframe|\bsrc=|url\(|@import|https?:/i);
  const targets = [...page.matchAll(/href="([^"]*)"/g)].map(([, to = ""]) => to);
  expect(targets.length).toBeGreaterThan(0);
  for (const to of targets) expect(page).toContain(`id="${to.slice(1)}"`);
  expect(unbalanced(page)).toEqual([]);
});

test("every lane and every sentence of a timeline is in the picture, at its place", () => {
  const round = failover(1_000);
  const page = pageOf(sampleReport([round]));
  for (const { lane, text } of round.timeline) {
    expect(page).toContain(`>${lane}</text`);
    expect(page).toContain(escape(text));
  }
  // The close-up shows the outage larger than the whole round does.
  const widths = [...page.matchAll(/class="band"[^>]*?width="([\d.]+)"/g)].map(([, w]) =>
    Number(w),
  );
  expect(widths).toHaveLength(2);
  expect(widths[1]).toBeGreaterThan(3 * (widths[0] ?? Infinity));
});

test("a node that stays what it is has one bar, with all that it said", () => {
  const bar = (at: number, kind: Entry["kind"]): Entry => {
    return { at, until: at + 1_000, lane: "n1", kind, text: `said at ${at}` };
  };
  const barsOf = (...timeline: Entry[]) => {
    const page = pageOf(sampleReport([failover(0, { timeline, outage: null })]));
    return [...page.matchAll(/<title>((?:said at \d+\s)+)/g)].map(([, text = ""]) => text.trim());
  };
  expect(barsOf(bar(0, "replica"), bar(1_000, "replica"), bar(2_000, "primary"))).toEqual([
    "said at 0\nsaid at 1000",
    "said at 2000",
  ]);
  expect(barsOf(bar(0, "replica"), bar(3_000, "replica"))).toHaveLength(2);
});

test("a timeline of very many entries is drawn in part, and says so", () => {
  const timeline = Array.from({ length: 5_000 }, (_, at): Entry => ({
    at,
    lane: "lock",
    kind: "event",
    text: `event ${at}`,
  }));
  const page = pageOf(sampleReport([failover(0, { timeline, outage: null })]));
  expect(page).toContain("3500 more are in the JSON");
});

test("a scenario's figures are of the rounds whose fault took effect", () => {
  const rounds = [
    failover(300),
    failover(500, { round: 2 }),
    failover(900, { round: 3, verdict: "failed", ledger: { ...COUNTS, lost: 2 } }),
    failover(9_000, { round: 4, verdict: "invalid", ledger: null }),
    failover(9_000, { round: 5, verdict: "skipped", ledger: null }),
  ];
  expect(figuresOf(sampleReport(rounds))).toMatchObject([
    {
      name: "mysqld-killed",
      passed: 2,
      failed: 1,
      invalid: 1,
      skipped: 1,
      outage: { median: 500, max: 900 },
      promote: { median: 450, max: 810 },
      ledger: { acknowledged: 3 * COUNTS.acknowledged, lost: 2 },
      withinLimits: true,
    },
  ]);
  const slow = [failover(300), failover(2_001, { round: 2 })];
  expect(figuresOf(sampleReport(slow))).toMatchObject([{ withinLimits: false }]);
});

test("the page's verdict is the worst of its rounds, and names what was violated", () => {
  const titleOf = (...rounds: Round[]) => /<title>([^<]*)</.exec(pageOf(sampleReport(rounds)))?.[1];
  const passed = failover(300);
  const failed = failover(300, { verdict: "failed", ledger: { ...COUNTS, twoAcknowledging: 1 } });
  const invalid = failover(300, { verdict: "invalid" });
  expect(titleOf(passed)).toBe("Failure drills: All 1 round passed");
  expect(titleOf(passed, invalid)).toBe("Failure drills: 1 round proved nothing");
  expect(titleOf(passed, invalid, failed)).toBe("Failure drills: 1 round failed");
  expect(titleOf(failover(0, { verdict: "skipped" }))).toBe("Failure drills: No round was played");
  expect(pageOf(sampleReport([failed]))).toContain("prove two nodes that could acknowledge");
  const slower = "slower than they should be: mysqld-killed";
  expect(pageOf(sampleReport([failover(1_500)]))).toContain(slower);
  expect(pageOf(sampleReport([passed]))).not.toContain("slower than");
});

test("times and counts are written with the digits that say something", () => {
  expect([4, 310, 4_700, 21_800, 100_400].map(duration)).toEqual([
    "4 ms",
    "0.31 s",
    "4.70 s",
    "21.8 s",
    "100 s",
  ]);
  expect(grouped(1_234_567)).toBe("1\u202f234\u202f567");
});

test("each documented figure names a source", () => {
  const named = ["mysqld-killed", "node-killed", "replication-cut", "switchover"];
  for (const { source } of named.flatMap((name) => elsewhere(name)))
    expect(SOURCES[source - 1]).toBeDefined();
  expect(named.every((name) => elsewhere(name).length > 0)).toBe(true);
  expect(elsewhere("no such scenario")).toEqual([]);
});

let dir = "";
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "autopilot-report-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

test("a report that is saved is read as it was, and nothing is left beside it", async () => {
  const report = sampleReport([failover(300), failover(400, { round: 2 })]);
  const places = { json: join(dir, "r.json"), html: join(dir, "r.html") };
  await saveReport(places, report);
  await saveReport(places, report);
  expect(await loadReport(places.json)).toEqual(report);
  expect(await readFile(places.html, "utf8")).toBe(pageOf(report));
  expect((await readdir(dir)).toSorted()).toEqual(["r.html", "r.json"]);
  await saveReport({ json: null, html: null }, report);
});

test("what is no report of this format is refused with the path of what is wrong", async () => {
  const path = join(dir, "r.json");
  const report = sampleReport([failover(300)]);
  const load = async (text: string) => {
    await writeFile(path, text);
    return loadReport(path).catch((error: unknown) => error);
  };
  expect(await load(JSON.stringify({ ...report, format: 2 }))).toMatchObject({
    code: "AP_REPORT_UNUSABLE",
    problems: [expect.stringContaining("format")],
  });
  const [round] = report.rounds;
  const odd = { ...report, rounds: [{ ...round, verdict: "fine" }] };
  expect(await load(JSON.stringify(odd))).toMatchObject({
    problems: [expect.stringContaining("rounds.0.verdict")],
  });
  expect(await load("{")).toMatchObject({ code: "AP_REPORT_UNUSABLE" });
  expect(await loadReport(join(dir, "none")).catch((error: unknown) => error)).toMatchObject({
    code: "AP_REPORT_UNUSABLE",
  });
  await expect(
    saveReport({ json: join(dir, "no", "r.json"), html: null }, report),
  ).rejects.toMatchObject({ code: "AP_REPORT_UNUSABLE" });
});

test("a resumed report keeps its rounds and beginning, and takes the scenarios of both", () => {
  const old = sampleReport([failover(300), failover(400, { round: 2 })]);
  const [first] = old.scenarios;
  if (first === undefined) throw new Error("no scenarios");
  const more = { ...first, name: "another" };
  const now = { ...sampleReport([]), startedAt: "later", seed: 7, scenarios: [first, more] };
  const both = resumed(old, now);
  expect(both).toMatchObject({ startedAt: old.startedAt, seed: 7, rounds: old.rounds });
  expect(both.scenarios.map(({ name }) => name).toSorted()).toEqual(
    [...new Set([...old.scenarios, more].map(({ name }) => name))].toSorted(),
  );
  expect([playedOf(both, "mysqld-killed"), playedOf(both, "another")]).toEqual([2, 0]);
});

test("figures of other versions or another machine are never mixed in", () => {
  const old = sampleReport([failover(300)]);
  const tools = { ...old.tools, mysqld: "8.4.3" };
  expect(() => resumed(old, { ...old, tools })).toThrow(
    expect.objectContaining({
      code: "AP_REPORT_OTHER",
      reasons: [expect.stringContaining("8.4.3")],
    }),
  );
  const machine = { ...old.machine, cores: 64 };
  expect(() => resumed(old, { ...old, machine })).toThrow("made with something else");
  const reordered = Object.fromEntries(Object.entries(old.tools).toReversed());
  expect(resumed(old, { ...old, tools: reordered }).rounds).toHaveLength(1);
});
