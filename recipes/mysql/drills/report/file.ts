// The report's two files: JSON that another run continues, and one HTML page. Both are replaced whole after each round,
// by a rename: whoever reads, and whatever ends this process, there is never half a report.
import { open, readFile, rename } from "node:fs/promises";
import { ConfigError, messageOf, RefusedError } from "../../../../src/index.ts";
import type { DrillReport } from "../result.ts";
import { pageOf } from "./page.ts";

export type Places = { readonly json: string | null; readonly html: string | null };

export async function saveReport(places: Places, report: DrillReport): Promise<void> {
  if (places.json !== null) await replace(places.json, `${JSON.stringify(report, null, 1)}\n`);
  if (places.html !== null) await replace(places.html, pageOf(report));
}

async function replace(path: string, text: string): Promise<void> {
  // One process writes a report: a name of its own would leave litter behind a crash.
  const made = `${path}.new`;
  try {
    await using file = await open(made, "w");
    await file.writeFile(text);
    await file.sync();
    await rename(made, path);
  } catch (cause) {
    throw new ConfigError("AP_REPORT_UNUSABLE", `write ${path}: ${messageOf(cause)}`, { cause });
  }
}

/** Errors: ConfigError, with the path of what is not as it must be. */
export async function loadReport(path: string): Promise<DrillReport> {
  let read: unknown;
  try {
    read = JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    throw new ConfigError("AP_REPORT_UNUSABLE", `read ${path}: ${messageOf(cause)}`, { cause });
  }
  // Loaded here: an agent knows the verbs, and must not carry zod.
  const { reportShape } = await import("./shape.ts");
  const { data, error } = reportShape().safeParse(read);
  if (data !== undefined) return data;
  const problems = error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new ConfigError("AP_REPORT_UNUSABLE", `${path} is not a drill report`, {
    problems: problems.slice(0, 10),
  });
}

/**
 * What a run that begins now goes on with. Figures of other versions or another machine are never mixed with these:
 * nobody could say what their median means. Errors: RefusedError.
 */
export function resumed(old: DrillReport, now: DrillReport): DrillReport {
  const differ = (what: string, a: unknown, b: unknown): readonly string[] =>
    JSON.stringify(a) === JSON.stringify(b)
      ? []
      : [`${what}: ${JSON.stringify(a)} then, ${JSON.stringify(b)} now`];
  const reasons = [
    ...differ("versions", sorted(old.tools), sorted(now.tools)),
    ...differ("machine", old.machine, now.machine),
  ];
  if (reasons.length > 0)
    throw new RefusedError("AP_REPORT_OTHER", "the report was made with something else", {
      reasons,
    });
  const fresh = new Set(now.scenarios.map(({ name }) => name));
  const scenarios = [...old.scenarios.filter(({ name }) => !fresh.has(name)), ...now.scenarios];
  return { ...now, startedAt: old.startedAt, endedAt: old.endedAt, scenarios, rounds: old.rounds };
}

function sorted(tools: DrillReport["tools"]): readonly (readonly [string, string])[] {
  return Object.entries(tools).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** How many rounds of a scenario there are: the next one's number is one more. */
export function playedOf(report: DrillReport, scenario: string): number {
  return report.rounds.filter((round) => round.scenario === scenario).length;
}
