// Consul as this node sees it: four watched keys and a few read on demand, kept as the facts of the next observation.
// Reads only; writes are the executors'. A write of ours is noted here at once, so that the next tick decides on it
// without waiting for the watch.
import type { Clock, Kv, KvEntry, Lease } from "../../src/index.ts";
import { messageOf } from "../../src/index.ts";
import type {
  ConsulFacts,
  Intent,
  LeaderValue,
  NodeRecord,
  Peer,
  PromiseRecord,
  State,
} from "./core/observation.ts";
import { FAILOVERS_COUNT_MS } from "./core/policy.ts";
import {
  leaf,
  parseIntent,
  parseLeader,
  parseNode,
  parsePromise,
  parseState,
  type Keys,
} from "./keys.ts";

type Parts = {
  readonly kv: Kv;
  readonly clock: Clock;
  readonly lease: Lease;
  readonly keys: Keys;
  readonly wake: () => void;
};

type Leader = NonNullable<ConsulFacts["leader"]>;
type Entry<T> = { readonly index: number; readonly value: T };
type Known = {
  readonly index: number;
  readonly text: string;
  readonly movedAt: number;
  readonly peer: Peer;
};

const REREAD_EVERY_MS = 500;

export class Registry implements AsyncDisposable {
  readonly #parts: Parts;
  readonly #end = new AbortController();
  readonly #watches = new Set<Promise<void>>();
  readonly #loaded = new Set<string>();
  #leader: Leader | null = null;
  #leaderFreeSince: number | null = null;
  #state: Entry<State> | null = null;
  #highestVer = 0;
  #handedOver: number | null = null;
  #failovers: readonly number[] = [];
  #opened: { readonly epoch: number; readonly at: number } | null = null;
  #initialize: string | null = null;
  #intents: readonly Intent[] = [];
  #paused = false;
  #lost = new Map<string, { readonly epoch: number; readonly since: number }>();
  #promises: readonly PromiseRecord[] = [];
  #promisesWatch: { readonly epoch: number; readonly end: AbortController } | null = null;
  #peers = new Map<string, Known>();
  #peersAt: number | null = null;
  #claims: { readonly at: number; readonly ids: readonly number[] } | null = null;
  /** The last record of each voter, also where Consul has lost it since: a voter without a server_id could not be dropped. */
  #ofVoters = new Map<string, NodeRecord>();
  #error: string | null = null;
  readonly #rereading = new Set<"leader" | "state">();

  constructor(parts: Parts) {
    this.#parts = parts;
    const { keys } = parts;
    this.#watch("leader", keys.leader, (entries) => this.noteLeader(exact(entries, keys.leader)));
    this.#watch("state", keys.state, (entries) => this.noteState(exact(entries, keys.state)));
    this.#watch("initialize", keys.initialize, (entries) => {
      this.#initialize = exact(entries, keys.initialize)?.value ?? null;
    });
    this.#watch("intents", keys.intents, (entries) => {
      this.#intents = entries.flatMap((entry) => parseIntent(entry.value) ?? []);
    });
    this.#watch("pause", keys.pause, (entries) => {
      this.#paused = exact(entries, keys.pause) !== null;
    });
    this.#watch("lost", keys.allLost, (entries) => this.#noteLost(entries));
  }

  #watch(name: string, prefix: string, onEntries: (entries: readonly KvEntry[]) => void): void {
    const watching = this.#parts.kv.watch(prefix, {
      signal: this.#end.signal,
      onChange: (entries) => {
        this.#error = null;
        this.#loaded.add(name);
        onEntries(entries);
        this.#parts.wake();
      },
      onError: (error) => {
        this.#error = messageOf(error);
        this.#parts.wake();
      },
    });
    this.#keep(watching);
  }

  /** Our own write of `leader`, a read of it, or what its watch brought. */
  noteLeader(entry: KvEntry | null): void {
    if (this.#older(entry, this.#leader)) return this.#readAgain("leader");
    this.#setLeader(entry);
  }

  #setLeader(entry: KvEntry | null): void {
    const value = entry === null ? null : parseLeader(entry.value);
    if (value?.held === false && value.closed && value.prefer !== null)
      this.#handedOver = value.epoch;
    this.#leader = entry === null ? null : { index: entry.index, session: entry.session, value };
    const free = entry === null || entry.session === null;
    this.#leaderFreeSince = free ? (this.#leaderFreeSince ?? this.#parts.clock.now()) : null;
  }

  /** Our own write of `state`, or what its watch brought. */
  noteState(entry: KvEntry | null): void {
    if (this.#older(entry, this.#state)) return this.#readAgain("state");
    this.setState(entry);
  }

  /** What a consistent read of `state` brought is the truth, also when it goes back in time (§7 "Consul wiped"). */
  setState(entry: KvEntry | null): void {
    const value = entry === null ? null : parseState(entry.value);
    if (value?.phase === "open" && value.epoch !== this.#opened?.epoch) this.#noteOpened(value);
    this.#highestVer = Math.max(this.#highestVer, value?.ver ?? 0);
    this.#state = entry === null || value === null ? null : { index: entry.index, value };
  }

  #noteOpened({ epoch }: State): void {
    const at = this.#parts.clock.now();
    const first = this.#opened === null;
    this.#opened = { epoch, at };
    // The first that this agent sees may be any age; one after a hand-over was planned.
    if (!first && this.#handedOver !== epoch - 1) this.#failovers = [...this.failovers(), at];
  }

  /** When unplanned failovers of the last ten minutes ended, as this agent saw them (§10 "two failovers in a row"). */
  failovers(): readonly number[] {
    const now = this.#parts.clock.now();
    return this.#failovers.filter((at) => now - at < FAILOVERS_COUNT_MS);
  }

  /** Linearizable read of `state`. An answer that something newer has overtaken is asked for again. */
  async readState(): Promise<{ readonly index: number; readonly value: State } | null> {
    for (;;) {
      const known = this.#state;
      const entry = await this.#parts.kv.get(this.#parts.keys.state, { consistent: true });
      if (known !== this.#state) continue;
      this.setState(entry);
      return this.#state;
    }
  }

  /** Highest `state.ver` that this process has seen or written. */
  highestVer(): number {
    return this.#highestVer;
  }

  /** When this node first read that the newest epoch is open, our clock; null: it has read none. */
  openedAt(): number | null {
    return this.#opened?.at ?? null;
  }

  /** Either a watch that was under way while we wrote, or a Consul that was restored: only a consistent read tells. */
  #older(entry: KvEntry | null, known: { readonly index: number } | null): boolean {
    return known !== null && (entry === null || entry.index < known.index);
  }

  #readAgain(what: "leader" | "state"): void {
    if (this.#rereading.has(what)) return;
    this.#rereading.add(what);
    const { kv, keys, clock, wake } = this.#parts;
    const signal = this.#end.signal;
    const reread = async (): Promise<void> => {
      while (!signal.aborted) {
        try {
          const known = what === "leader" ? this.#leader : this.#state;
          const entry = await kv.get(keys[what], { consistent: true });
          // Something newer came while this answer was under way: it may be the older of the two.
          if (known !== (what === "leader" ? this.#leader : this.#state)) continue;
          this.#rereading.delete(what);
          if (what === "leader") this.#setLeader(entry);
          else this.setState(entry);
          return wake();
        } catch (error) {
          this.#error = messageOf(error);
          await clock.sleep(REREAD_EVERY_MS, signal).catch(() => {}); // Aborted: the loop ends.
        }
      }
    };
    this.#keep(reread());
  }

  /** One consistent read of `state`; false when Consul does not answer it. */
  async confirmState(): Promise<boolean> {
    try {
      await this.readState();
      return true;
    } catch (error) {
      this.#error = messageOf(error);
      return false;
    }
  }

  noteInitialize(clusterId: string): void {
    this.#initialize = clusterId;
  }

  noteIntent(intent: Intent): void {
    this.#intents = [...this.#intents.filter(({ id }) => id !== intent.id), intent];
  }

  noteIntentGone(id: string): void {
    this.#intents = this.#intents.filter((intent) => intent.id !== id);
  }

  #noteLost(entries: readonly KvEntry[]): void {
    const now = this.#parts.clock.now();
    const next = new Map<string, { readonly epoch: number; readonly since: number }>();
    for (const entry of entries) {
      const uuid = leaf(entry);
      const epoch = Number(entry.key.split("/").at(-2));
      const before = this.#lost.get(uuid);
      next.set(uuid, { epoch, since: before?.epoch === epoch ? before.since : now });
    }
    this.#lost = next;
  }

  /** The candidate watches its promises for as long as it is one; null: nobody needs them. */
  watchPromises(epoch: number | null): void {
    if (this.#promisesWatch?.epoch === (epoch ?? undefined)) return;
    this.#promisesWatch?.end.abort();
    this.#promisesWatch = null;
    this.#promises = [];
    if (epoch === null) return;
    const end = new AbortController();
    this.#promisesWatch = { epoch, end };
    const watching = this.#parts.kv.watch(this.#parts.keys.promises(epoch), {
      signal: AbortSignal.any([end.signal, this.#end.signal]),
      onChange: (entries) => {
        if (this.#promisesWatch?.end !== end) return;
        this.#promises = entries.flatMap((entry) => parsePromise(entry.value) ?? []);
        this.#parts.wake();
      },
      onError: (error) => {
        this.#error = messageOf(error);
      },
    });
    this.#keep(watching);
  }

  /** Reads all node records when the last read is older than `maxAgeMs`. A failure leaves what was read before. */
  async refreshPeers(maxAgeMs: number): Promise<void> {
    const { clock, kv, keys } = this.#parts;
    if (this.#peersAt !== null && clock.now() - this.#peersAt < maxAgeMs) return;
    try {
      const entries = await kv.list(keys.nodes);
      const now = clock.now();
      const next = new Map<string, Known>();
      for (const entry of entries) {
        const same = this.#peers.get(leaf(entry));
        // One that stands as it was is not parsed again: its GTID sets cost more than all the rest of the read.
        const node = same?.text === entry.value ? same.peer : parseNode(entry.value);
        if (node === null) continue;
        const before = this.#peers.get(node.uuid);
        const moved = before?.index !== entry.index;
        // First sight of a record says nothing of its age: it counts as fresh for one window.
        const movedAt = moved ? now : (before?.movedAt ?? now);
        const { index, value: text } = entry;
        next.set(node.uuid, { index, text, movedAt, peer: { ...node, ageMs: 0 } });
      }
      this.#peers = next;
      this.#peersAt = now;
      this.#keepVoters(next);
    } catch (error) {
      this.#error = messageOf(error);
    }
  }

  /** Linearizable read of one node's record; null: there is none; undefined: Consul does not answer. */
  async readRecord(uuid: string): Promise<Entry<NodeRecord> | null | undefined> {
    try {
      const { kv, keys } = this.#parts;
      const entry = await kv.get(keys.node(uuid), { consistent: true });
      const value = entry === null ? null : parseNode(entry.value);
      return entry === null || value === null ? null : { index: entry.index, value };
    } catch (error) {
      this.#error = messageOf(error);
      return undefined;
    }
  }

  /** Reads the claimed server_ids when the last read is older than `maxAgeMs`. A failure leaves what was read before. */
  async refreshClaims(maxAgeMs: number): Promise<void> {
    const { clock, kv, keys } = this.#parts;
    const at = clock.now();
    if (this.#claims !== null && at - this.#claims.at < maxAgeMs) return;
    try {
      const ids = (await kv.list(keys.serverIds)).map((entry) => Number(leaf(entry)));
      this.#claims = { at, ids };
    } catch (error) {
      this.#error = messageOf(error);
    }
  }

  #keepVoters(read: ReadonlyMap<string, { readonly peer: Peer }>): void {
    const voters = this.#state?.value.voters;
    if (voters === undefined) return;
    const kept = voters.flatMap((uuid) => {
      const record = read.get(uuid)?.peer ?? this.#ofVoters.get(uuid);
      return record === undefined ? [] : [[uuid, record] as const];
    });
    this.#ofVoters = new Map(kept);
  }

  /** What this voter last said, as far as this process has read it; Consul need not know it any more. */
  lastWordOf(uuid: string): NodeRecord | undefined {
    return this.#ofVoters.get(uuid);
  }

  leaderFreeSince(): number | null {
    return this.#loaded.has("leader") ? this.#leaderFreeSince : null;
  }

  intent(id: string): Intent | undefined {
    return this.#intents.find((intent) => intent.id === id);
  }

  peer(uuid: string): Peer | undefined {
    return this.#peers.get(uuid)?.peer;
  }

  facts(): ConsulFacts {
    const now = this.#parts.clock.now();
    const lease = this.#parts.lease.view();
    const epoch = this.#state?.value.epoch ?? 0;
    const loaded = ["leader", "state", "initialize", "intents"].every((name) =>
      this.#loaded.has(name),
    );
    return {
      reachable: lease.session === null ? lease.error === null : now < lease.goodUntil,
      error: lease.error ?? this.#error,
      session: lease.session,
      goodUntil: lease.goodUntil,
      initialize: this.#initialize,
      leader: this.#leader,
      state: this.#state,
      loaded,
      promises: this.#promises,
      lost: [...this.#lost]
        .filter(([, lost]) => lost.epoch === epoch)
        .map(([uuid, lost]) => ({ uuid, forMs: now - lost.since })),
      peers: [...this.#peers.values()].map(({ peer, movedAt }) => ({
        ...peer,
        ageMs: now - movedAt,
      })),
      peersAgeMs: this.#peersAt === null ? null : now - this.#peersAt,
      intents: this.#intents,
      claims: this.#claims?.ids ?? null,
      paused: this.#paused,
    };
  }

  /** To be waited for at the end; one that ended by itself is forgotten. */
  #keep(watching: Promise<void>): void {
    this.#watches.add(watching);
    void watching.finally(() => this.#watches.delete(watching));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#promisesWatch?.end.abort();
    this.#end.abort();
    await Promise.allSettled(this.#watches);
  }
}

function exact(entries: readonly KvEntry[], key: string): KvEntry | null {
  return entries.find((entry) => entry.key === key) ?? null;
}

/** What `leader` says while this node holds it. */
export function heldBy(me: {
  readonly uuid: string;
  readonly node: string;
  readonly host: string;
  readonly port: number;
  readonly agentPort: number;
  readonly epoch: number;
}): string {
  const value: LeaderValue = { held: true, ...me };
  return JSON.stringify(value);
}
