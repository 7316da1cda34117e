// The fast senses between ticks (PROTOCOL §3): the primary's heartbeat and probe, the replica's look at its receiver,
// the question to the primary's agent. They write facts into memory and wake the loop; they never act.
import type { Clock, Log } from "../../src/index.ts";
import { messageOf } from "../../src/index.ts";
import { shouldAskLiveness } from "./core/detection.ts";
import type { Observation } from "./core/observation.ts";
import { PROBE_FAILURES } from "./core/policy.ts";
import type { Handle } from "./handle.ts";
import type { Peers } from "./machine.ts";
import type { Memory } from "./memory.ts";

type Parts = {
  readonly memory: Memory;
  readonly handle: Handle;
  readonly clock: Clock;
  readonly peers: Peers;
  readonly log: Log;
  readonly wake: () => void;
  /** The last observation, or null before the first. */
  readonly last: () => Observation | null;
};

const HEARTBEAT_EVERY_MS = 500;
const PROBE_EVERY_MS = 500;
/** While heartbeats commit they are the proof that mysqld works; a slow probe watches new logins only (S22). */
const CALM_PROBE_EVERY_MS = 5_000;
const RECEIVER_EVERY_MS = 250;
const LIVENESS_EVERY_MS = 500;
/** A marker that waits this long is surely in the binlog: a heartbeat behind it wakes acks that were lost (S10). */
const HEARTBEAT_BEHIND_MARKER_MS = 1_000;

/** A new primary is audited soon, and then again every ten minutes. */
const AUDIT_LOOKS_EVERY_MS = 5_000;
const AUDIT_EVERY_MS = 600_000;

/** Starts all senses; each waits for its own last look before the next. */
export function startPulse(parts: Parts): AsyncDisposable {
  const end = new AbortController();
  const senses = [
    every(parts, HEARTBEAT_EVERY_MS, end.signal, () => heartbeat(parts)),
    every(parts, PROBE_EVERY_MS, end.signal, probeSense(parts)),
    every(parts, RECEIVER_EVERY_MS, end.signal, () => look(parts)),
    every(parts, AUDIT_LOOKS_EVERY_MS, end.signal, () => auditSense(parts)),
  ];
  return {
    async [Symbol.asyncDispose]() {
      end.abort();
      await Promise.allSettled(senses);
    },
  };
}

async function every(
  { clock, log }: Parts,
  ms: number,
  signal: AbortSignal,
  sense: () => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await sense();
    } catch (error) {
      // A sense writes its own failures into memory; what arrives here is unexpected and must not end the pulse.
      log.warn("pulse", { err: error });
    }
    // On one grid, so that the senses wake the process together: each wake costs 0.15 ms of CPU, measured.
    const rest = ms - (clock.now() % ms);
    try {
      await clock.sleep(rest < 10 ? rest + ms : rest, signal);
    } catch {
      return; // Aborted.
    }
  }
}

/** §3: a one-row write of its own; its commit proves that no newer primary was open when it started. */
async function heartbeat({ memory, handle, clock, wake }: Parts): Promise<void> {
  const { primacy } = memory;
  const mysqld = handle.connection();
  if (primacy === null || mysqld === null) return;
  const now = clock.now();
  const behindMarker =
    primacy.stage === "marking" && now - primacy.since > HEARTBEAT_BEHIND_MARKER_MS;
  if (primacy.stage !== "open" && primacy.stage !== "marked" && !behindMarker) return;
  const waiting = memory.heartbeat.waitingSince ?? now;
  memory.heartbeat = { ...memory.heartbeat, waitingSince: waiting };
  const same = () =>
    memory.primacy?.epoch === primacy.epoch && memory.primacy.incarnation === primacy.incarnation;
  try {
    await mysqld.heartbeat(primacy.epoch);
    if (!same()) return;
    memory.heartbeat = { ackedStart: now, waitingSince: null, probeFailures: 0 };
    memory.proof = { epoch: primacy.epoch, at: now };
    if (memory.change !== null || clock.now() - waiting > 2 * HEARTBEAT_EVERY_MS) wake();
  } catch {
    // Not acknowledged, or mysqld is gone: `waitingSince` says since when, and the rules judge that.
    if (same()) wake();
  }
}

/** §3 tier 1: a new connection, and on an open primary a local write that waits for no acknowledgement. */
function probeSense({ memory, handle, clock, wake, log }: Parts): () => Promise<void> {
  let probedAt = 0;
  return async () => {
    const { primacy, heartbeat: beat } = memory;
    const mysqld = handle.connection();
    if (primacy === null || mysqld === null) return;
    if (primacy.stage === "draining" || primacy.stage === "drained") return;
    const now = clock.now();
    const late = beat.waitingSince !== null && now - beat.waitingSince >= HEARTBEAT_EVERY_MS;
    if (!late && beat.probeFailures === 0 && now - probedAt < CALM_PROBE_EVERY_MS) return;
    probedAt = now;
    try {
      await mysqld.probe(primacy.stage === "open");
      memory.heartbeat = { ...memory.heartbeat, probeFailures: 0 };
    } catch (error) {
      const probeFailures = memory.heartbeat.probeFailures + 1;
      memory.heartbeat = { ...memory.heartbeat, probeFailures };
      log.warn("probe of mysqld failed", { why: messageOf(error), times: probeFailures });
      if (probeFailures >= PROBE_FAILURES) wake();
    }
  };
}

/** §2 "checked; alert". */
async function auditSense({ memory, handle, clock, wake }: Parts): Promise<void> {
  const { primacy, audited } = memory;
  const mysqld = handle.connection();
  if (primacy?.stage !== "open" || mysqld === null) return;
  const known = audited?.epoch === primacy.epoch;
  if (known && clock.now() - audited.at < AUDIT_EVERY_MS) return;
  const audit = await mysqld.audit();
  memory.audited = { epoch: primacy.epoch, at: clock.now(), audit };
  wake();
}

/** §3 tier 2: does the primary still send transactions; if not, does its agent still answer? */
async function look(parts: Parts): Promise<void> {
  const { memory, handle, clock, wake } = parts;
  const { following } = memory;
  const mysqld = handle.connection();
  if (following === null || memory.primacy !== null || mysqld === null) return;
  const { io, lastQueued } = await mysqld.receiver();
  if (memory.following !== following) return;
  const before = memory.sight;
  const known = lastSeen.get(following);
  lastSeen.set(following, lastQueued);
  // The first look after a FOLLOW may see what an older source sent.
  const moved = known !== undefined && lastQueued !== known;
  const now = clock.now();
  const up = io === "Yes";
  memory.sight = {
    ...before,
    lastTransactionAt: moved ? now : before.lastTransactionAt,
    receiverDownSince: up ? null : (before.receiverDownSince ?? now),
    ...(up ? { refused: false } : {}),
    ...(up && moved ? { agentDeadSince: null } : {}),
  };
  if (up !== (before.receiverDownSince === null)) wake();
  await ask(parts, up);
}

/** Which other voters' agents answer: whether the primary is cut off, or this node (§3 "no acks"). */
async function reachable({ peers }: Parts, o: Observation): Promise<readonly string[]> {
  const state = o.consul.state?.value;
  const others = o.consul.peers.filter(
    ({ uuid }) =>
      uuid !== o.me.uuid && uuid !== state?.primary && state?.voters.includes(uuid) === true,
  );
  const answers = await Promise.all(
    others.map(({ host, agentPort: port }) => peers.alive({ host, port })),
  );
  return others.filter((_, at) => answers[at]).map(({ uuid }) => uuid);
}

const lastSeen = new WeakMap<object, string>();

async function ask(parts: Parts, up: boolean): Promise<void> {
  const { memory, clock, wake, peers } = parts;
  const o = parts.last();
  const value = o?.consul.leader?.value;
  const address =
    value?.held === true && value.uuid === memory.following?.primary
      ? value
      : o?.consul.peers.find((p) => p.uuid === memory.following?.primary);
  if (o === null || address === undefined) return;
  if (
    !up &&
    !memory.sight.refused &&
    (await peers.refused({ host: address.host, port: address.port }))
  ) {
    memory.sight = { ...memory.sight, refused: true };
    wake();
  }
  const now = clock.now();
  if (!shouldAskLiveness({ ...o, now, following: memory.following, sight: memory.sight })) return;
  if (memory.sight.askedAt !== null && now - memory.sight.askedAt < LIVENESS_EVERY_MS) return;
  const alive = await peers.alive({ host: address.host, port: address.agentPort });
  const reaches = await reachable(parts, o);
  const agentDeadSince = alive ? null : (memory.sight.agentDeadSince ?? now);
  memory.sight = { ...memory.sight, askedAt: now, agentDeadSince, reaches };
  wake();
}
