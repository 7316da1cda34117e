// What the templates asked for, watched: one blocking query for each source, and the newest answer of each. An answer
// stays until there is a newer one: while Consul is away nothing changes, and no upstream vanishes.
import { readFileSync, statSync, unwatchFile, watchFile } from "node:fs";
import { sourceId, type Answers, type Ask, type Source } from "../core/render/source.ts";
import { messageOf } from "../errors.ts";
import type { Directory, Kv, Watcher } from "../ports.ts";

export type Catalogue = {
  readonly directory: Pick<Directory, "watch" | "watchNames">;
  readonly kv: Kv;
};

export type Sources = {
  readonly ask: Ask;
  /** Watches all of these and nothing else. */
  keep(wanted: ReadonlyMap<string, Source>): void;
  /** Ends all watches. */
  close(): Promise<void>;
};

export type SourceParts = {
  readonly catalogue: Catalogue;
  /** `isFirst`: it is the source's first answer. */
  readonly onChange: (isFirst: boolean) => void;
  /** A watch failed, and goes on. */
  readonly onError: (error: unknown) => void;
};

type Watched = {
  readonly abort: AbortController;
  answer: Answers[Source["kind"]] | null;
  ended: Promise<void>;
};

/** Files are looked at, not waited for: mounted ones (of Kubernetes, NFS) tell nobody of their changes. */
const LOOK_MS = 500;
/** A template, or a piece of one. */
const FILE_MOST = 1024 * 1024;

export function watchSources({ catalogue, onChange, onError }: SourceParts): Sources {
  const watched = new Map<string, Watched>();
  const ending = new Set<Promise<void>>();

  function start(id: string, source: Source): void {
    const abort = new AbortController();
    const one: Watched = { abort, answer: null, ended: Promise.resolve() };
    watched.set(id, one);
    one.ended = follow(catalogue, source, {
      signal: abort.signal,
      onChange(answer) {
        const isFirst = one.answer === null;
        one.answer = answer;
        onChange(isFirst);
      },
      onError,
    });
  }

  function stop(id: string, { abort, ended }: Watched): void {
    watched.delete(id);
    abort.abort();
    ending.add(ended);
    void ended.finally(() => ending.delete(ended));
  }

  return {
    ask: <K extends Source["kind"]>(source: Extract<Source, { kind: K }>) =>
      (watched.get(sourceId(source))?.answer ?? null) as Answers[K] | null,
    keep(wanted) {
      for (const [id, one] of watched) if (!wanted.has(id)) stop(id, one);
      for (const [id, source] of wanted) if (!watched.has(id)) start(id, source);
    },
    async close() {
      for (const [id, one] of watched) stop(id, one);
      await Promise.all(ending);
    },
  };
}

function follow(
  { directory, kv }: Catalogue,
  source: Source,
  watcher: Watcher<Answers[Source["kind"]]>,
): Promise<void> {
  switch (source.kind) {
    case "names":
      return directory.watchNames(watcher);
    case "instances": {
      const { service, tag, dc } = source;
      const selector = {
        service,
        ...(tag === null ? {} : { tag }),
        ...(dc === null ? {} : { dc }),
      };
      return directory.watch(selector, watcher);
    }
    case "keys":
      return kv.watch(source.prefix, { ...watcher, onChange: changes(watcher.onChange) });
    case "file":
      return followFile(source.path, watcher);
  }
}

/** Only other keys or values: a lock that is taken, or a value written again, renders the same. */
function changes(tell: (entries: Answers["keys"]) => void): (entries: Answers["keys"]) => void {
  let seen: string | null = null;
  return (entries) => {
    const now = JSON.stringify(entries.map(({ key, value }) => [key, value]));
    if (now === seen) return;
    seen = now;
    tell(entries);
  };
}

function followFile(path: string, { signal, onChange }: Watcher<Answers["file"]>): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => onChange(readText(path));
    watchFile(path, { interval: LOOK_MS }, look);
    signal.addEventListener(
      "abort",
      () => {
        unwatchFile(path, look);
        resolve();
      },
      { once: true },
    );
    look();
  });
}

/** Never throws. */
export function readText(path: string): Answers["file"] {
  try {
    const stat = statSync(path);
    if (!stat.isFile()) return { problem: "it is no file" };
    if (stat.size > FILE_MOST) return { problem: `it has more than ${FILE_MOST} bytes` };
    return { text: readFileSync(path, "utf8") };
  } catch (error) {
    return { problem: messageOf(error) };
  }
}
