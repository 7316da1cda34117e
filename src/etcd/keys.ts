// Where things are in etcd. A lock is a key of its own right behind the key that it locks, bound to the session's lease:
// it vanishes with the session, and the locked key and its value stay. Both lie in one range, so that whoever reads or
// watches a key hears of its lock at the same revision.
//
//   autopilot/shop/leader              the key, as the Kv port names it
//   autopilot/shop/leader␀lock         the id of the session that holds it
//   /autopilot/sessions/<id>           what the session is; its id is its lease's
//   /autopilot/services/<name>/<node>/<id>
import type { IKeyValue } from "etcd3";
import { invariant } from "../errors.ts";
import type { KvEntry } from "../ports.ts";

/** No key of ours has a zero byte in it, so nothing but its lock lies between a key and the next. */
const LOCK = "\0lock";

export type Span = { readonly key: Buffer; readonly range_end: Buffer };

export function lockOf(key: string): string {
  return key + LOCK;
}

/** A key and its lock. */
export function spanOfKey(key: string): Span {
  invariant(
    !key.includes("\0") && key !== "",
    "AP_BUG_INVARIANT",
    `${JSON.stringify(key)} as a key`,
  );
  return { key: Buffer.from(key), range_end: Buffer.from(`${key}\u0001`) };
}

/** All keys with this prefix, and their locks. */
export function spanOfPrefix(prefix: string): Span {
  if (prefix === "") return { key: Buffer.from([0]), range_end: Buffer.from([0]) };
  const key = Buffer.from(prefix);
  const end = Buffer.from(key);
  // UTF-8 has no byte 0xff, so the last one can always grow.
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return { key, range_end: end };
}

export function sessionKey(prefix: string, session: string): string {
  return `${prefix}/sessions/${session}`;
}

export function servicesKey(prefix: string, name?: string): string {
  return `${prefix}/services/${name === undefined ? "" : `${encodeURIComponent(name)}/`}`;
}

export function serviceKey(
  prefix: string,
  { name, node, id }: { readonly name: string; readonly node: string; readonly id: string },
): string {
  const parts = [name, node, id].map(encodeURIComponent);
  return `${prefix}/services/${parts.join("/")}`;
}

/** The keys of a range, each with the session that holds it; locks are no keys of their own. */
export function entriesOf(kvs: readonly IKeyValue[]): readonly KvEntry[] {
  const holders = new Map<string, string>();
  const plain: { readonly key: string; readonly kv: IKeyValue }[] = [];
  for (const kv of kvs) {
    const key = kv.key.toString();
    if (key.endsWith(LOCK)) holders.set(key.slice(0, -LOCK.length), kv.value.toString());
    else plain.push({ key, kv });
  }
  return plain.map(({ key, kv }) => ({
    key,
    value: kv.value.toString(),
    index: Number(kv.mod_revision),
    session: holders.get(key) ?? null,
  }));
}
