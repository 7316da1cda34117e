// What the runner watches: services and keys, by blocking query. Each change is one event, with what changed for whoever
// starts on it; the first look is none unless there is something.
import type { Watch } from "../core/runner-config.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Clock, Directory, Instance, Kv, KvEntry } from "../ports.ts";
import type { Seen } from "./environment.ts";

export type WatchParts = {
  readonly directory: Directory;
  readonly kv: Kv | null;
  readonly clock: Clock;
  readonly log: Log;
  readonly onChange: (change: {
    readonly id: string;
    readonly first: boolean;
    readonly seen: Seen;
  }) => void;
};

const REPEAT_MS = 60_000;

/** Watches until it is disposed of. */
export function startWatch(watch: Watch, parts: WatchParts): Disposable {
  const over = new AbortController();
  const { log, clock } = parts;
  let told = { what: "", at: -Infinity };
  let known: ReadonlyMap<string, string> | null = null;
  const onError = (error: unknown): void => {
    const what = messageOf(error);
    if (what === told.what && clock.now() - told.at < REPEAT_MS) return;
    told = { what, at: clock.now() };
    log.warn(`watch ${watch.id}: ${what}`);
  };
  const take = (now: ReadonlyMap<string, string>): void => {
    told = { what: "", at: -Infinity };
    const before = known;
    known = now;
    const seen = difference(before ?? new Map<string, string>(), now);
    const isSame = seen.added.length + seen.removed.length + seen.changed.length === 0;
    if (before !== null && isSame) return;
    parts.onChange({ id: watch.id, first: before === null, seen });
  };
  const { signal } = over;
  const ended =
    watch.kind === "service"
      ? parts.directory.watch(selectorOf(watch), {
          signal,
          onError,
          onChange: (all) => take(instances(all)),
        })
      : watchKey(watch, parts.kv, {
          signal,
          onError,
          onChange: (all) => take(keys(all, watch)),
        });
  ended.catch(onError);
  return { [Symbol.dispose]: () => over.abort() };
}

async function watchKey(
  { key, id }: Extract<Watch, { kind: "key" }>,
  kv: Kv | null,
  watcher: Parameters<Kv["watch"]>[1],
): Promise<void> {
  if (kv === null) throw new Error(`watch ${id}: this catalogue has no keys`);
  await kv.watch(key, watcher);
}

function selectorOf({ service, tag, datacenter }: Extract<Watch, { kind: "service" }>) {
  return {
    service,
    passingOnly: true,
    ...(tag === null ? {} : { tag }),
    ...(datacenter === null ? {} : { dc: datacenter }),
  };
}

/** "address:port" → what else may change without it. */
function instances(all: readonly Instance[]): ReadonlyMap<string, string> {
  return new Map(
    all.map(({ address, port, id, node, tags, meta }) => {
      const host = address.includes(":") ? `[${address}]` : address;
      return [`${host}:${port}`, JSON.stringify([id, node, tags, meta])];
    }),
  );
}

/** Key → its index: whether its value is another is not asked, a write is a change. */
function keys(
  all: readonly KvEntry[],
  { key, recurse }: Extract<Watch, { kind: "key" }>,
): ReadonlyMap<string, string> {
  const mine = all.filter((entry) => recurse || entry.key === key);
  return new Map(mine.map((entry) => [entry.key, String(entry.index)]));
}

function difference(before: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): Seen {
  return {
    all: [...now.keys()],
    added: [...now.keys()].filter((one) => !before.has(one)),
    removed: [...before.keys()].filter((one) => !now.has(one)),
    changed: [...now].filter(([one, is]) => (before.get(one) ?? is) !== is).map(([one]) => one),
  };
}
