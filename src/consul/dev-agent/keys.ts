// The operations on keys, with Consul's semantics to the letter: what fails, with which words, and which indexes move.
// A write that changes nothing keeps the ModifyIndex, so that watchers sleep on (kvsSetTxn in Consul's state store).
import { putEntry, type Entry, type State } from "./state.ts";

/** What a write brings. `index` is the cas argument, `session` that of acquire, release and check-session. */
export type KeyWrite = {
  readonly key: string;
  readonly value: Buffer;
  readonly flags: number;
  readonly index: number;
  readonly session: string;
};

/** `false`: the condition did not hold. A string: Consul's text of the error. */
export type Outcome = Entry | false | string;

/** All entries below a prefix, in key order. */
export function entriesBelow(state: State, prefix: string): Entry[] {
  const found: Entry[] = [];
  for (const entry of state.kv.values()) if (entry.key.startsWith(prefix)) found.push(entry);
  return found.sort((a, b) => compareKeys(a.key, b.key));
}

/** A half of a character beyond the basic plane. */
const BEYOND = /[\ud800-\udfff]/;

/** Byte order, as Consul's radix tree has it: JavaScript's own order differs beyond the basic plane. */
function compareKeys(a: string, b: string): number {
  if (a === b) return 0;
  if (!BEYOND.test(a) && !BEYOND.test(b)) return a < b ? -1 : 1;
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** The index of a prefix: of its newest entry or grave; of the whole table when it has neither. */
export function indexBelow(state: State, prefix: string, entries: readonly Entry[]): number {
  if (prefix === "") return state.kvIndex || 1;
  let newest = 0;
  for (const entry of entries) newest = Math.max(newest, entry.modifyIndex);
  for (const [key, index] of state.graves)
    if (key.startsWith(prefix)) newest = Math.max(newest, index);
  return newest || state.kvIndex || 1;
}

/** Stores the value; the lock stays with whoever holds it unless `session` says otherwise. */
export function setKey(
  state: State,
  index: number,
  write: KeyWrite,
  lock?: { readonly session: string | null; readonly lockIndex: number },
): Entry {
  const before = state.kv.get(write.key);
  const session = lock === undefined ? (before?.session ?? null) : lock.session;
  // Consul's plain set writes LockIndex 0 over the old one (measured on 1.8.7); only locking and unlocking keep it.
  const lockIndex = lock?.lockIndex ?? 0;
  if (
    before !== undefined &&
    before.session === session &&
    before.flags === write.flags &&
    before.lockIndex === lockIndex &&
    before.value.equals(write.value)
  ) {
    return before;
  }
  const entry: Entry = {
    key: write.key,
    value: write.value,
    flags: write.flags,
    createIndex: before?.createIndex ?? index,
    modifyIndex: index,
    lockIndex,
    session,
  };
  putEntry(state, index, write.key, entry);
  return entry;
}

/** Check-and-set; index 0 means that the key must not exist. */
export function setKeyIf(state: State, index: number, write: KeyWrite): Entry | false {
  const before = state.kv.get(write.key);
  if ((before?.modifyIndex ?? 0) !== write.index) return false;
  return setKey(state, index, write);
}

/** Takes the key as a lock for the session; repeating it by the holder succeeds. */
export function lockKey(state: State, index: number, write: KeyWrite): Outcome {
  if (write.session === "") return "missing session";
  const malformed = malformedSession(write.session);
  if (malformed !== null) return malformed;
  if (!state.sessions.has(write.session)) return `invalid session ${quote(write.session)}`;
  const before = state.kv.get(write.key);
  const holder = before?.session ?? null;
  if (holder !== null && holder !== write.session) return false;
  const lockIndex = (before?.lockIndex ?? 0) + (holder === null ? 1 : 0);
  return setKey(state, index, write, { session: write.session, lockIndex });
}

/** Gives the lock back; only its holder can. */
export function unlockKey(state: State, index: number, write: KeyWrite): Outcome {
  if (write.session === "") return "missing session";
  const before = state.kv.get(write.key);
  if (before === undefined || before.session !== write.session) return false;
  return setKey(state, index, write, { session: null, lockIndex: before.lockIndex });
}

export function deleteKey(state: State, index: number, key: string): void {
  if (state.kv.has(key)) putEntry(state, index, key, null);
}

/** True also when there is nothing to delete, as Consul answers. */
export function deleteKeyIf(state: State, index: number, key: string, expected: number): boolean {
  const before = state.kv.get(key);
  if (before === undefined) return true;
  if (before.modifyIndex !== expected) return false;
  putEntry(state, index, key, null);
  return true;
}

export function deleteBelow(state: State, index: number, prefix: string): void {
  for (const entry of entriesBelow(state, prefix)) putEntry(state, index, entry.key, null);
}

/** Whether a lost session still keeps this key from being locked. */
export function isDelayed(state: State, key: string, now: number): boolean {
  const until = state.lockDelays.get(key);
  if (until === undefined) return false;
  if (now < until) return true;
  state.lockDelays.delete(key);
  return false;
}

/** Consul's text for a session id that is no UUID, or null. */
export function malformedSession(id: string): string | null {
  if (id.length !== 36) return "failed session lookup: index error: UUID must be 36 characters";
  return /^[0-9a-f-]+$/i.test(id) ? null : "failed session lookup: index error: invalid UUID";
}

/** A string as Go's %q prints it, near enough for messages. */
export function quote(text: string): string {
  return JSON.stringify(text);
}
