// The timeline of a round, PURE: what the nodes told, what was done to them and what the clients got, as bars and moments
// on lanes. All times in are of the drill's clock; out they count from the round's beginning.
import type { Entry, EntryKind, Fault, Phases } from "./result.ts";
import type { TargetEvent } from "./target.ts";
import type { Gap } from "./verdict-acks.ts";

export type Told = {
  readonly began: number;
  readonly ended: number;
  readonly nodes: readonly string[];
  readonly events: readonly TargetEvent[];
  readonly faults: readonly Fault[];
  /** Null: no client was judged. */
  readonly gaps: readonly Gap[] | null;
};

const ROLES: Readonly<Record<string, EntryKind>> = {
  primary: "primary",
  replica: "replica",
  candidate: "candidate",
  fenced: "closed",
  provisioning: "provisioning",
  stopped: "down",
  unknown: "down",
};

/** What the lock's story consists of. */
const OF_THE_LOCK = ["released", "electing", "opened", "reacquired", "session-ended"];
/** Worth a mark on the node's own lane. */
const OF_THE_NODE = [
  "fenced",
  "primacy-ended",
  "lost",
  "membership",
  "errant",
  "set-aside",
  "exit",
];

export function timelineOf(told: Told): readonly Entry[] {
  const { began, ended, events, faults, gaps } = told;
  const within = events.filter(({ at }) => at >= began && at <= ended);
  const marks = within.flatMap((event) => markOf(event, began));
  const bars = told.nodes.flatMap((node) => rolesOf(node, told));
  const harm = faults.map(({ what, node, at, healedAt, proof }): Entry => {
    const text = `${node === null ? "" : `${node}: `}${what}${proof === null ? "" : ` (${proof})`}`;
    const until = healedAt ?? at;
    return { at, ...(until > at ? { until } : {}), lane: "faults", kind: "fault", text };
  });
  const clients = gaps === null ? [] : clientsOf(gaps, told);
  return [...clients, ...harm, ...bars, ...marks].toSorted((a, b) => a.at - b.at);
}

function markOf({ node, type, at, what }: TargetEvent, began: number): readonly Entry[] {
  const time = at - began;
  if (OF_THE_LOCK.includes(type))
    return [{ at: time, lane: "lock", kind: "event", text: `${node}: ${what}` }];
  return OF_THE_NODE.includes(type) ? [{ at: time, lane: node, kind: "event", text: what }] : [];
}

/** What the node says that it is, from one change to the next; an agent that ended says nothing more. */
function rolesOf(node: string, { began, ended, events }: Told): readonly Entry[] {
  const changes = events.flatMap(({ node: of, at, type, what, facts }) => {
    if (of !== node || at > ended) return [];
    if (type === "exit" || (type === "setback" && what.startsWith("agent ended")))
      return [{ at, kind: "down" as EntryKind, text: what }];
    const kind = type === "says" ? ROLES[String(facts["role"])] : undefined;
    return kind === undefined ? [] : [{ at, kind, text: what }];
  });
  const first = changes.findLastIndex(({ at }) => at < began);
  const shown = changes.slice(Math.max(first, 0));
  return shown.flatMap(({ at, kind, text }, i) => {
    const from = Math.max(at, began) - began;
    const until = (shown[i + 1]?.at ?? ended) - began;
    return until > from ? [{ at: from, until, lane: node, kind, text: `${node}: ${text}` }] : [];
  });
}

function clientsOf(gaps: readonly Gap[], { began, ended }: Told): readonly Entry[] {
  const entries: Entry[] = [];
  let at = 0;
  const acknowledged = (until: number): void => {
    const text = "writes are acknowledged";
    if (until > at) entries.push({ at, until, lane: "clients", kind: "acknowledging", text });
  };
  for (const { from, to, ms } of gaps) {
    const until = (to ?? ended) - began;
    acknowledged(from - began);
    const text = `nothing acknowledged for ${Math.round(ms)} ms`;
    entries.push({ at: from - began, until, lane: "clients", kind: "outage", text });
    at = until;
  }
  acknowledged(ended - began);
  return entries;
}

/** First signs that somebody noticed: a death, a lost primary, a lock let go. */
const SIGNS = ["primacy-ended", "fenced", "lost", "session-ended", "released", "electing"];

/** Each counted from the first fault; null where no primary opened after it. */
export function phasesOf(events: readonly TargetEvent[], faultAt: number | null): Phases | null {
  if (faultAt === null) return null;
  const first = (types: readonly string[]): number | null => {
    const found = events.find(({ at, type }) => at >= faultAt && types.includes(type));
    return found === undefined ? null : found.at - faultAt;
  };
  const promoteMs = first(["opened"]);
  if (promoteMs === null) return null;
  return { detectMs: first(SIGNS), electMs: first(["electing"]), promoteMs };
}
