// `autopilot adopt` (PROTOCOL §7a): what to write into a Consul that lost its state or went back in time, judged from the
// nodes' answers alone. Without loss only where it is proven who was published last, and that one is here.
import {
  answeredBy,
  eligible,
  greatest,
  incomparable,
  lossOf,
  nameIn,
  preferred,
  refuse,
  type Answered,
  type Asked,
  type Refusal,
  type Rewrite,
} from "./answers.ts";
import { contains, formatGtidSet, subtract, without } from "./gtid.ts";
import { careful } from "./note.ts";
import type { State } from "./records.ts";
import { heldSet, lastPublished, quorum } from "./state.ts";

/** A node that is missing may have seen a few elections and changes more than anybody who is here: these stay below. */
const UNSEEN = 1_000;

export type Adoption = Refusal | Rewrite;

export function judgeAdoption(asked: Asked): Adoption {
  const all = answeredBy(asked);
  const here = all.filter((n) => !n.amnesiac);
  const no = whyNot(asked, all, here);
  if (no !== null) return no;
  const { joined: epoch, holders } = greatest(here);
  if (holders.length === 0) return incomparable(here);
  const writer = here.find((n) => n.uuid === openerOf(epoch, all)) ?? null;
  const reasons = whyLoss(asked, { all, here, epoch, writer });
  const next = newer(asked, all);
  if (writer !== null && reasons.length === 0) {
    const kept = keep(asked, { all, here, epoch, writer });
    if (kept !== null)
      return {
        kind: "rewrite",
        how: "keep",
        actor: writer,
        reasons,
        loss: null,
        next: { ...kept, ver: next.ver },
      };
    if (!eligible(writer))
      return refuse(`${writer.node} has to win, and is tagged nofailover or stopping`);
    const alone = { ...next, prevPrimary: writer.uuid, voters: [writer.uuid] };
    return { kind: "rewrite", how: "elect", actor: writer, reasons, loss: null, next: alone };
  }
  const able = holders.filter(eligible);
  const actor = able.find((n) => n.uuid === writer?.uuid) ?? preferred(able);
  if (actor === null)
    return refuse("every node that holds the most is tagged nofailover or stopping", reasons);
  const voters = here.map((n) => n.uuid).toSorted();
  return {
    kind: "rewrite",
    how: "loss",
    actor,
    reasons,
    loss: lossOf(asked, here),
    next: { ...next, voters },
  };
}

type Seen = {
  readonly all: readonly Answered[];
  readonly here: readonly Answered[];
  /** The newest marker here. */
  readonly epoch: number;
  /** Who opened it; null: not here, or not known. */
  readonly writer: Answered | null;
};

/** What no flag accepts. */
function whyNot(
  { state, initialize }: Asked,
  all: readonly Answered[],
  here: readonly Answered[],
): Refusal | null {
  if (here.length === 0) return refuse("no node with data has answered");
  const clusters = new Set(all.map((n) => n.answer.clusterId));
  if (initialize !== null) clusters.add(initialize);
  if (clusters.size > 1)
    return refuse("there are nodes of several clusters, or Consul names another one", [
      ...all.map((n) => `${n.node}: cluster ${n.answer.clusterId ?? "not known"}`),
      ...(initialize === null ? [] : [`Consul: cluster ${initialize}`]),
    ]);
  if (state === null) return null;
  const older = all.some(
    (n) => n.seenVer > state.ver || Math.max(n.seenEpoch, n.joined) > state.epoch,
  );
  return older ? null : refuse("Consul's state is the newest that anybody here has seen");
}

/**
 * Who was published for this epoch; there is one per epoch (I1, I8). Whoever marks an epoch has noted that it is its
 * primary. A later note carries it through elections: without a newer marker, who was published last wrote this one.
 */
function openerOf(epoch: number, all: readonly Answered[]): string | null {
  const notes = all.flatMap(({ answer }) => answer.noted ?? []);
  const own = notes.find((note) => note.epoch === epoch && note.primary !== null);
  if (own !== undefined) return own.primary;
  const later = notes.filter((note) => note.epoch > epoch).toSorted((a, b) => b.ver - a.ver)[0];
  const last = later === undefined ? null : lastPublished(later);
  return all.some((n) => n.uuid === last && n.joined === epoch) ? last : null;
}

/** Everything that stands against "the writer holds all that was acknowledged, and nobody was published after it". */
function whyLoss(asked: Asked, seen: Seen): readonly string[] {
  const { all, here, epoch, writer } = seen;
  if (writer === null) {
    const uuid = openerOf(epoch, all);
    if (uuid === null) return [`no note says who opened epoch ${epoch}`];
    return [`${nameIn(asked.records, uuid)}, the primary of epoch ${epoch}, has not answered`];
  }
  const reasons: string[] = [];
  const own = heldSet(writer);
  for (const other of here.filter((n) => n.joined === epoch)) {
    // An open primary's record may be older than what its replicas hold of it (S21).
    const mine = writer.answer.open ? without(heldSet(other), writer.uuid) : heldSet(other);
    if (contains(own, mine)) continue;
    reasons.push(
      `${writer.node} lacks what ${other.node} holds: ${formatGtidSet(subtract(mine, own))}`,
    );
  }
  for (const other of all.filter((n) => n.answer.open && n !== writer))
    reasons.push(`${other.node} is an open primary, too`);
  const { state } = asked;
  if (state !== null && state.epoch > epoch && state.phase !== "electing")
    reasons.push(`Consul has a primary of epoch ${state.epoch}, which nobody here has joined`);
  if (!fewCouldElect(writer, seen) && !allVotersHere(seen))
    reasons.push(...whoIsMissing(asked, writer, seen));
  return reasons;
}

const pendingOf = ({ noted, pending }: Answered["answer"]): State | null =>
  pending !== null && pending.ver > (noted?.ver ?? 0) ? pending : null;

/** (S1): in each configuration that may be in force, fewer than q voters besides it can have promised a newer epoch. */
function fewCouldElect(writer: Answered, { epoch, here }: Seen): boolean {
  const { noted } = writer.answer;
  if (noted === null || noted.epoch !== epoch || writer.promised > epoch) return false;
  return [noted, pendingOf(writer.answer)].every(
    (one) => one === null || suspects(one, writer, epoch, here).length < quorum(one),
  );
}

function suspects(
  { voters }: State,
  writer: Answered,
  epoch: number,
  here: readonly Answered[],
): readonly string[] {
  const trusted = here.filter((n) => n.promised <= epoch).map((n) => n.uuid);
  return voters.filter((v) => v !== writer.uuid && !trusted.includes(v));
}

/** (S2): who could have written anything newer than the newest note is here, and would say so. */
function allVotersHere({ all, here }: Seen): boolean {
  const required = newestVoters(all);
  return required.length > 0 && required.every((v) => here.some((n) => n.uuid === v));
}

function newestVoters(all: readonly Answered[]): readonly string[] {
  const notes = all.flatMap(({ answer }) => answer.noted ?? []);
  const newest = notes.toSorted((a, b) => b.ver - a.ver)[0];
  if (newest === undefined) return [];
  const pending = all.flatMap(({ answer }) => answer.pending ?? []);
  const above = pending.filter((one) => one.ver > newest.ver);
  return [...new Set([newest, ...above].flatMap((one) => one.voters))];
}

function whoIsMissing(asked: Asked, writer: Answered, { all, here, epoch }: Seen): string[] {
  const missing = newestVoters(all).filter((v) => here.every((n) => n.uuid !== v));
  const names = missing.map((v) => nameIn(asked.records, v));
  const later = here.filter((n) => n.promised > epoch).map((n) => n.node);
  const why = [
    ...(names.length === 0 ? [] : [`voters that have not answered: ${names.join(", ")}`]),
    ...(later.length === 0 ? [] : [`a later epoch was promised by ${later.join(", ")}`]),
  ];
  const what = `a primary newer than ${writer.node} (epoch ${epoch}) may have been elected`;
  return [why.length === 0 ? `${what}: no note tells who votes` : `${what}: ${why.join("; ")}`];
}

/** The writer is still what it was: its own last configuration, written again. Null: an election is needed. */
function keep({ state }: Asked, seen: Seen): State | null {
  const { all, epoch, writer } = seen;
  const noted = writer?.answer.noted ?? null;
  if (writer === null || noted === null || !writer.answer.open || writer.epoch !== epoch)
    return null;
  if (!noted.voters.includes(writer.uuid)) return null;
  // They would not follow an epoch below their promise.
  if (all.some((n) => Math.max(n.promised, n.seenEpoch) > epoch)) return null;
  if (state !== null && state.epoch > epoch) return null;
  const { voters, acks } = careful(noted, pendingOf(writer.answer));
  return { ...noted, phase: "open", primary: writer.uuid, voters, acks };
}

/** An election above everything that anybody knows of: a marker's GTID is never used twice. */
function newer({ state }: Asked, all: readonly Answered[]): State {
  const notes = all.flatMap(({ answer }) => [answer.noted, answer.pending]);
  const vers = [...notes.map((one) => one?.ver ?? 0), ...all.map((n) => n.seenVer)];
  const epochs = all.flatMap((n) => [n.seenEpoch, n.promised, n.joined]);
  return {
    ver: Math.max(state?.ver ?? 0, ...vers) + UNSEEN,
    epoch: Math.max(state?.epoch ?? 0, ...epochs) + UNSEEN,
    phase: "electing",
    primary: null,
    prevPrimary: null,
    voters: [],
    acks: 0,
  };
}
