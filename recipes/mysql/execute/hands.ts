// What every executor works with. Executors are thin: they do what the action says, in its order, and write what
// happened into memory; they read in order to re-check a precondition at the point of effect, never to decide.
import type {
  Clock,
  Commit,
  KvEntry,
  KvOp,
  Kv,
  Lease,
  Leaser,
  Log,
  NodeIdentity,
} from "../../../src/index.ts";
import { InvariantError, UnavailableError } from "../../../src/index.ts";
import { markerUuidOf } from "../mysqld/marker.ts";
import type { MysqlConfig } from "../config.ts";
import type { Action, Do } from "../core/action.ts";
import { noting } from "../core/note.ts";
import type { State } from "../core/observation.ts";
import type { Handle } from "../handle.ts";
import type { Keys } from "../keys.ts";
import type { Memory } from "../memory.ts";
import type { Mysqld } from "../mysqld/port.ts";
import type { Disk, Maker, Peers } from "../machine.ts";
import type { Registry } from "../registry.ts";

export type Hands = {
  readonly config: MysqlConfig;
  readonly node: NodeIdentity;
  readonly kv: Kv;
  readonly lease: Lease;
  readonly leaser: Leaser;
  readonly keys: Keys;
  readonly registry: Registry;
  readonly memory: Memory;
  readonly handle: Handle;
  readonly clock: Clock;
  readonly log: Log;
  readonly disk: Disk;
  readonly maker: Maker;
  readonly peers: Peers;
  /** A new server_uuid or cluster id. */
  readonly newUuid: () => string;
  readonly wake: () => void;
  readonly announce: (
    type: string,
    what: string,
    facts?: Readonly<Record<string, unknown>>,
  ) => void;
  readonly hook: (name: string, env: Readonly<Record<string, string>>) => Promise<void>;
};

/** A missing or misspelt executor is a type error. */
export type Executors = {
  readonly [K in Action["do"]]: (hands: Hands, action: Do<K>) => Promise<void>;
};

/** The connection to the mysqld that runs now. Errors: UnavailableError when it is gone since the observation. */
export function mysqldOf(hands: Hands): Mysqld {
  const mysqld = hands.handle.connection();
  if (mysqld === null) throw new UnavailableError("AP_MYSQLD_EXITED", "mysqld is not connected");
  return mysqld;
}

export function sessionOf(hands: Hands): string {
  const { session } = hands.lease.view();
  if (session === null) throw new UnavailableError("AP_CONSUL_UNREACHABLE", "no Consul session");
  return session;
}

export function uuidOf(hands: Hands): string {
  const { uuid } = hands.memory;
  if (uuid === null) throw new UnavailableError("AP_PROVISION_FAILED", "this node has no datadir");
  return uuid;
}

/** Linearizable read of `state` (§3, §4 step 10, §5). */
export async function consistentState(
  hands: Hands,
): Promise<{ readonly value: State; readonly index: number } | null> {
  return hands.registry.readState();
}

/** §1: every write of `state` is one transaction [check-session leader, cas state]. */
export async function writeState(hands: Hands, next: State, index: number): Promise<Commit> {
  const { keys } = hands;
  return commitNoted(hands, [
    { do: "check-session", key: keys.leader, session: sessionOf(hands) },
    { do: "cas", key: keys.state, value: JSON.stringify(next), index },
  ]);
}

/** The note (§7a): durable before anybody acts on this configuration, or before the one that is `pending` is sent. */
export async function note(
  { memory, disk }: Hands,
  state: State,
  pending?: State | null,
): Promise<void> {
  const next = noting(memory.promise, state, pending);
  await disk.writePromise(next);
  memory.promise = next;
}

/** Commits and lets the registry know what was written, so that the next tick need not wait for the watch. */
export async function commitNoted(hands: Hands, ops: readonly KvOp[]): Promise<Commit> {
  const done = await hands.kv.commit(ops);
  if (done.ok) for (const entry of done.entries) tell(hands, entry);
  else hands.log.info("the world moved", { why: done.why });
  return done;
}

function tell({ registry, keys }: Hands, entry: KvEntry): void {
  if (entry.key === keys.leader) registry.noteLeader(entry);
  if (entry.key === keys.state) registry.noteState(entry);
  if (entry.key === keys.initialize) registry.noteInitialize(entry.value);
}

export function markerOf(hands: Hands): string {
  const marker = markerUuidOf(hands.memory.datadir.clusterId);
  if (marker === null)
    throw new InvariantError("AP_BUG_INVARIANT", "a datadir without a cluster id");
  return marker;
}

/** For tests of crashes: ends this process at a named step, as a power cut would. */
export function crashPoint(step: string): void {
  if (process.env["AUTOPILOT_CRASH_AT"] === step) process.kill(process.pid, "SIGKILL");
}
