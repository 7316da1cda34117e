// Follows key `state` in Consul by blocking query, from outside of the product: which epochs had which primary, and
// whether any epoch ever had two. What the agents say of themselves is not asked. On etcd it is the product's own watch.
import { setTimeout as sleep } from "node:timers/promises";
import { monotonicNow } from "../../recipes/mysql/drills/ledger.ts";
import type { Reign } from "../../recipes/mysql/drills/verdict-acks.ts";
import { connectStore, isEtcdUrl, storeAt } from "../../src/store.ts";

export type SeenState = {
  readonly epoch: number;
  readonly phase: string;
  readonly primary: string | null;
  readonly voters: readonly string[];
  readonly acks: number;
};

type Entry = { readonly Value: string | null };

export class StateWatch implements AsyncDisposable {
  /** Every value that was seen, in order, with the time when it was seen (ms on CLOCK_MONOTONIC). */
  readonly seen: (SeenState & { readonly at: number })[] = [];
  readonly consul: string;
  #last = "";
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  /** May be made before the cluster, and before Consul, exists. */
  constructor(consul: string) {
    this.consul = consul;
    this.#running = isEtcdUrl(consul) ? this.#watchEtcd() : this.#watch();
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stop;
    let key: string | undefined;
    for (let index = "0"; !signal.aborted;) {
      try {
        key ??= await this.#findKey();
        const answer = await this.#get(`${key}?index=${index}&wait=20s`);
        index = answer.headers.get("x-consul-index") ?? "0";
        this.#note((await answer.json()) as Entry[]);
      } catch {
        // Consul is away (tests stop it), has no such key yet, or we were stopped: the loop's condition tells which.
        index = "0";
        await sleep(50);
      }
    }
  }

  async #watchEtcd(): Promise<void> {
    const store = await connectStore(storeAt(this.consul, {}));
    await store.kv.watch("autopilot/", {
      signal: this.#stop.signal,
      onChange: (entries) => {
        const state = entries.find(({ key }) => /^autopilot\/[^/]+\/state$/.test(key))?.value;
        if (state !== undefined && state !== this.#last) this.#take((this.#last = state));
      },
      onError: () => {}, // etcd is away: the watch goes on by itself.
    });
    store.close();
  }

  async #findKey(): Promise<string> {
    const keys = (await (await this.#get("autopilot/?keys")).json()) as string[];
    const key = keys.find((name) => name.endsWith("/state"));
    if (key === undefined) throw new Error("no cluster yet");
    return key;
  }

  async #get(path: string): Promise<Response> {
    const answer = await fetch(new URL(`/v1/kv/${path}`, this.consul), {
      signal: this.#stop.signal,
    });
    if (!answer.ok) throw new Error(`Consul answers ${answer.status}`);
    return answer;
  }

  #note(entries: readonly Entry[]): void {
    const value = entries[0]?.Value;
    if (typeof value !== "string") return;
    this.#take(Buffer.from(value, "base64").toString());
  }

  #take(text: string): void {
    this.seen.push({ ...(JSON.parse(text) as SeenState), at: monotonicNow() });
  }

  /** The first state seen with an open primary of an epoch after `epoch`; null: none yet. */
  openedAfter(epoch: number): (SeenState & { readonly at: number }) | null {
    return this.seen.find((state) => state.epoch > epoch && state.phase === "open") ?? null;
  }

  /** The published primaries in order; one epoch with two uuids gives two entries, which no test may accept. */
  reigns(): readonly Reign[] {
    const reigns: Reign[] = [];
    for (const { epoch, primary } of this.seen) {
      const last = reigns.at(-1);
      if (primary === null || (last?.epoch === epoch && last.node === primary)) continue;
      reigns.push({ epoch, node: primary });
    }
    return reigns;
  }

  get epoch(): number {
    return this.seen.at(-1)?.epoch ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}
