// A catalogue that is played, a clock that is moved by hand, and everything that a renderer did.
import type { Catalogue } from "../../src/render/watch-sources.ts";
import { renderForever, type RenderParts } from "../../src/render/renderer.ts";
import { parseTarget } from "../../src/core/render/target.ts";
import type { Clock, Instance, KvEntry, ServiceName, Watcher } from "../../src/ports.ts";

type Playing<T> = { readonly id: string; readonly watcher: Watcher<T> };

export class PlayedCatalogue {
  readonly services = new Map<string, Instance[]>();
  readonly keys = new Map<string, string>();
  /** Watches of services that hear nothing, as while Consul does not answer. */
  readonly mute = new Set<string>();
  readonly #names = new Set<Playing<readonly ServiceName[]>>();
  readonly #instances = new Set<Playing<readonly Instance[]>>();
  readonly #prefixes = new Set<Playing<readonly KvEntry[]>>();

  /** What is watched now. */
  watched(): readonly string[] {
    const all = [...this.#names, ...this.#instances, ...this.#prefixes];
    return all.map(({ id }) => id).toSorted();
  }

  readonly catalogue: Catalogue = {
    directory: {
      watchNames: (watcher) => this.#follow(this.#names, "names", watcher, () => this.#nameList()),
      watch: ({ service }, watcher) =>
        this.#follow(this.#instances, service, watcher, () =>
          this.mute.has(service) ? null : (this.services.get(service) ?? []),
        ),
    },
    kv: {
      watch: (prefix, watcher) =>
        this.#follow(this.#prefixes, `kv:${prefix}`, watcher, () => this.#below(prefix)),
      get: () => Promise.reject(new Error("not played")),
      list: () => Promise.reject(new Error("not played")),
      commit: () => Promise.reject(new Error("not played")),
    },
  };

  set(service: string, ports: readonly number[]): void {
    this.services.set(
      service,
      ports.map((port) => ({
        node: "n",
        id: `${service}-${port}`,
        name: service,
        address: "127.0.0.1",
        port,
        tags: [],
        meta: {},
        status: "passing",
      })),
    );
    this.tell();
  }

  remove(service: string): void {
    this.services.delete(service);
    this.tell();
  }

  put(key: string, value: string): void {
    this.keys.set(key, value);
    this.tell();
  }

  /** Every watch says what there is now, changed or not. */
  tell(): void {
    for (const { watcher } of this.#names) watcher.onChange(this.#nameList());
    for (const { id, watcher } of this.#instances)
      if (!this.mute.has(id)) watcher.onChange(this.services.get(id) ?? []);
    for (const { id, watcher } of this.#prefixes) watcher.onChange(this.#below(id.slice(3)));
  }

  fail(error: unknown): void {
    for (const { watcher } of [...this.#names, ...this.#instances, ...this.#prefixes])
      watcher.onError(error);
  }

  #nameList(): readonly ServiceName[] {
    return [...this.services.keys()].toSorted().map((name) => ({ name, tags: [] }));
  }

  #below(prefix: string): readonly KvEntry[] {
    const found = [...this.keys].filter(([key]) => key.startsWith(prefix));
    return found.map(([key, value]) => ({ key, value, index: 1, session: null }));
  }

  #follow<T>(
    into: Set<Playing<T>>,
    id: string,
    watcher: Watcher<T>,
    now: () => T | null,
  ): Promise<void> {
    const playing = { id, watcher };
    into.add(playing);
    // Like a network: the first answer comes later.
    setImmediate(() => {
      const answer = now();
      if (!watcher.signal.aborted && answer !== null) watcher.onChange(answer);
    });
    return new Promise((resolve) =>
      watcher.signal.addEventListener("abort", () => {
        into.delete(playing);
        resolve();
      }),
    );
  }
}

export type HandClock = Clock & { advance(ms: number): void };

/** What is over before anybody looks. */
const BRIEF_MS = 2;

/** Time passes when it is told to. */
export function handClock(): HandClock {
  let now = 1000;
  const sleepers = new Set<{ readonly until: number; readonly wake: () => void }>();
  return {
    now: () => now,
    wall: () => 0,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(new Error("aborted"));
        if (ms <= BRIEF_MS)
          return setImmediate(() => {
            now += ms;
            resolve();
          });
        const sleeper = { until: now + ms, wake: resolve };
        sleepers.add(sleeper);
        signal?.addEventListener("abort", () => {
          sleepers.delete(sleeper);
          reject(new Error("aborted"));
        });
      }),
    advance(ms) {
      now += ms;
      for (const sleeper of sleepers)
        if (sleeper.until <= now) {
          sleepers.delete(sleeper);
          sleeper.wake();
        }
    },
  };
}

export type Play = AsyncDisposable & {
  readonly played: PlayedCatalogue;
  readonly clock: HandClock;
  /** What is in each file. */
  readonly files: Map<string, string>;
  /** Every write and every command, in order. */
  readonly did: string[];
  readonly told: string[];
  readonly failed: unknown[];
  /** What the next commands do: the error that they end with. */
  readonly commandFailures: Error[];
  /** What the next writes do. */
  readonly writeFailures: Error[];
};

export function play(targets: readonly string[], played = new PlayedCatalogue()): Play {
  const stop = new AbortController();
  const clock = handClock();
  const files = new Map<string, string>();
  const state = { did: [], told: [], failed: [], commandFailures: [], writeFailures: [] } as {
    did: string[];
    told: string[];
    failed: unknown[];
    commandFailures: Error[];
    writeFailures: Error[];
  };
  const parts: RenderParts = {
    targets: targets.map((text) => {
      const target = parseTarget(text);
      if (typeof target === "string") throw new Error(target);
      return target;
    }),
    catalogue: played.catalogue,
    clock,
    env: { CONSUL_HTTP_TOKEN: "a-secret", SHOWN: "yes" },
    wait: { leastMs: 100, mostMs: 400 },
    signal: stop.signal,
    async write(path, text) {
      const failure = state.writeFailures.shift();
      if (failure !== undefined) throw failure;
      if (files.get(path) === text) return false;
      files.set(path, text);
      state.did.push(`write ${path}`);
      return true;
    },
    async run(command) {
      state.did.push(`run ${command}`);
      const failure = state.commandFailures.shift();
      if (failure !== undefined) throw failure;
    },
    tell: (line) => state.told.push(line),
    fail: (error) => state.failed.push(error),
  };
  const ended = renderForever(parts);
  return {
    ...state,
    played,
    clock,
    files,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
    },
  };
}

/** Everything that can happen without time passing has happened. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}
