// Consul in memory: the development agent's own state (the one that passes the contract suite) under virtual time, behind
// the simulated network. Requests and answers can be late or lost; a write whose answer is lost may have happened.
// One cluster of Consul servers: it may have no leader, or one that is none any more and answers from the past.
import { ConfigError, UnavailableError } from "../../src/errors.ts";
import { expire, nextDeadline, removeService } from "../../src/consul/dev-agent/catalog.ts";
import { entriesBelow } from "../../src/consul/dev-agent/keys.ts";
import { endSession } from "../../src/consul/dev-agent/sessions.ts";
import { createState, drain, NODE, putEntry, write } from "../../src/consul/dev-agent/state.ts";
import type { Entry, State } from "../../src/consul/dev-agent/state.ts";
import type { KvEntry } from "../../src/ports.ts";
import type { Network } from "./network.ts";
import type { Life, Timer, World } from "./world.ts";

/** The product's own limit of a request (transport.ts, lease-requests.ts). */
const REQUEST_TIMEOUT_MS = 1_000;

/** Where a request comes from. */
export type Caller = { readonly node: string; readonly life: Life };

/**
 * `read`: the leader's word; `consistent`: confirmed by the others; `local`: the agent beside the caller answers it
 * itself, also without a leader.
 */
export type Request = "read" | "consistent" | "write" | "local";

export type ConsulWeather = {
  /** Answers take up to this much longer. */
  slowMs: number;
  /** Of all requests: lost before or after their effect, half and half. */
  lost: number;
  /** Of all writes: the caller gives up, and the effect comes later. */
  late: number;
  /** Of all writes: the effect happens a second time, later. */
  twice: number;
  /** Of all requests: answered with an error, without effect. */
  failing: number;
  /** Half of the reads that are not consistent are answered as of up to this long ago: a leader that is none any more. */
  staleMs: number;
};

const FAIR: ConsulWeather = { slowMs: 0, lost: 0, late: 0, twice: 0, failing: 0, staleMs: 0 };
/** An agent holds a request up to 7 s for a leader (RPCHoldTimeout). */
const LATE_MS = 7_000;

type Parked = { readonly prefix: string; readonly wake: () => void };
type Held = { readonly until: number; readonly take: () => void };

export class SimConsul {
  readonly world: World;
  readonly net: Network;
  state: State = createState(0);
  weather: ConsulWeather = FAIR;
  /** `away`: nothing answers; `leaderless`: only agents do, for themselves. */
  trouble: "none" | "away" | "leaderless" = "none";
  /** Nodes whose token is refused. */
  readonly denied = new Set<string>();
  commits = 0;
  /** Every change of a key, also by the end of a session. */
  onKey: (key: string, value: string | null, session: string | null) => void = () => {};
  readonly #parked = new Set<Parked>();
  readonly #texts = new WeakMap<Entry, KvEntry>();
  #held: Held[] = [];
  #past: { readonly at: number; readonly kv: State["kv"] }[] = [];
  #snapshot: State | null = null;
  #expiry: { readonly at: number; readonly timer: Timer } | null = null;

  constructor(world: World, net: Network) {
    this.world = world;
    this.net = net;
  }

  calm(): void {
    this.weather = FAIR;
    this.#past = [];
    this.denied.clear();
    if (this.trouble === "leaderless") this.elected();
    this.trouble = "none";
  }

  bad(weather: Partial<ConsulWeather>): ConsulWeather {
    this.weather = { ...FAIR, ...weather };
    if (this.weather.staleMs > 0) this.#remember();
    return this.weather;
  }

  /** That weather ends, unless another has come since. */
  over(weather: ConsulWeather): void {
    if (this.weather === weather) this.weather = FAIR;
  }

  /** Whether a caller is told at once that Consul cannot; null: it is asked. */
  refusal(node: string, what: Request): Error | null {
    if (this.trouble === "away") {
      this.world.saw("Consul away");
      return unavailable("connection refused");
    }
    if (this.denied.has(node)) {
      this.world.saw("token refused");
      return new ConfigError("AP_CONSUL_DENIED", "ACL not found");
    }
    const { failing } = this.weather;
    if (failing > 0 && what !== "local" && this.world.random.chance(failing)) {
      this.world.saw("Consul failing");
      return unavailable("500 rpc error");
    }
    return null;
  }

  /** One request. Errors: UnavailableError: not known whether it had its effect; ConfigError: the token. */
  request<T>(caller: Caller, what: Request, effect: (state: State) => T): Promise<T> {
    const { world, net, weather } = this;
    const { node, life } = caller;
    return new Promise((resolve, reject) => {
      const sentAt = world.now;
      const lose = (): void => {
        const left = sentAt + REQUEST_TIMEOUT_MS - world.now;
        world.after(left, life, () => reject(unavailable("no answer within 1 s")));
      };
      if (net.isBlocked(node, "consul")) return lose();
      const dice = this.#dice(what);
      world.after(dice.thereMs, null, () => {
        const no = this.refusal(node, what);
        if (no !== null) return void world.after(dice.backMs, life, () => reject(no));
        if (net.isBlocked(node, "consul") || dice.lost === "request lost") return lose();
        if (this.trouble === "leaderless" && what !== "local") {
          this.#hold(what, () => this.#take(effect));
          return lose();
        }
        const value = this.#answer(what, effect);
        if (dice.again > 0) this.#again(dice.again, effect);
        const over = world.now - sentAt + dice.backMs >= REQUEST_TIMEOUT_MS;
        if (over || dice.lost === "answer lost") return lose();
        world.after(dice.backMs, life, () => {
          if (net.isBlocked("consul", node)) return lose();
          resolve(value);
        });
      });
      if (weather.slowMs > REQUEST_TIMEOUT_MS / 2 || weather.late > 0)
        world.after(REQUEST_TIMEOUT_MS, life, () => reject(unavailable("no answer within 1 s")));
    });
  }

  #dice(what: Request) {
    const { world } = this;
    const { random } = world;
    const { slowMs, lost, late, twice } = this.weather;
    let [thereMs, backMs] = [this.net.latency() + 0.3, this.net.latency()];
    if (this.weather === FAIR || what === "local")
      return { thereMs, backMs, lost: null, again: 0 } as const;
    if (slowMs > 0) world.saw("Consul slow");
    thereMs += random.next() * slowMs;
    backMs += random.next() * slowMs;
    if (what === "write" && random.chance(late)) {
      world.saw("request late");
      thereMs += random.between(500, LATE_MS);
    }
    const again =
      what === "write" && random.chance(twice) ? thereMs + random.between(1, LATE_MS) : 0;
    const gone = random.chance(lost) ? random.pick(["request lost", "answer lost"] as const) : null;
    if (gone !== null) world.saw(gone);
    return { thereMs, backMs, lost: gone, again };
  }

  #again(ms: number, effect: (state: State) => unknown): void {
    this.world.after(ms, null, () => {
      this.world.saw("request twice");
      this.#take(effect);
    });
  }

  /** A server without a leader keeps a request for a while; the caller does not wait that long. */
  #hold(what: Request, take: () => void): void {
    this.world.saw("Consul without a leader");
    if (what === "write") this.#held.push({ until: this.world.now + LATE_MS, take });
  }

  /** A leader again: what was held happens, and every TTL starts anew. */
  elected(): void {
    const { world, state } = this;
    this.trouble = "none";
    for (const session of state.sessions.values())
      if (session.ttlMs !== null) session.deadline = world.now + 2 * session.ttlMs;
    const held = this.#held;
    this.#held = [];
    for (const { until, take } of held) {
      if (until < world.now) continue;
      world.saw("Consul's write held for a leader");
      take();
    }
    this.#take(() => {});
  }

  #answer<T>(what: Request, effect: (state: State) => T): T {
    const { world, weather } = this;
    if (what === "local") return this.#takeLocal(effect);
    if (what !== "read" || weather.staleMs === 0 || !world.random.chance(0.5))
      return this.#take(effect);
    const at = world.now - world.random.between(0, weather.staleMs);
    const kv = this.#past.findLast((then) => then.at <= at)?.kv ?? this.state.kv;
    if (kv !== this.state.kv && kv.size > 0) world.saw("read stale");
    return effect({ ...this.state, kv });
  }

  /** Without a leader nothing expires: that is a write too. */
  #takeLocal<T>(effect: (state: State) => T): T {
    return this.trouble === "leaderless" ? effect(this.state) : this.#take(effect);
  }

  /** Entries are values: a copy of the map is the past. */
  #remember(): void {
    const { world, weather, state } = this;
    this.#past = this.#past.filter((then) => then.at >= world.now - 2 * weather.staleMs);
    this.#past.push({ at: world.now, kv: new Map(state.kv) });
  }

  /** At once, for whoever stands beside: faults and operators. */
  now<T>(effect: () => T): T {
    return this.#take(() => effect());
  }

  #take<T>(effect: (state: State) => T): T {
    // Before the next TTL there is nothing to look for: renewals move it away, and what is new has been looked at.
    if (this.#expiry === null || this.#expiry.at <= this.world.now)
      expire(this.state, this.world.now);
    const value = effect(this.state);
    this.#settle();
    return value;
  }

  /** Tells watchers what changed, and minds the next TTL. */
  #settle(): void {
    const change = drain(this.state);
    if (change !== null && change.keys.size > 0) {
      this.commits += 1;
      if (this.weather.staleMs > 0) this.#remember();
      for (const key of change.keys) {
        const entry = this.state.kv.get(key);
        const value = entry === undefined ? null : this.entry(entry);
        this.onKey(key, value?.value ?? null, value?.session ?? null);
      }
      for (const parked of Array.from(this.#parked))
        for (const key of change.keys)
          if (key.startsWith(parked.prefix)) {
            this.#parked.delete(parked);
            parked.wake();
            break;
          }
    }
    // A read, and a renewal, bring no earlier end.
    if (change === null && this.#expiry !== null) return;
    const next = nextDeadline(this.state);
    if (next === null || (this.#expiry !== null && this.#expiry.at <= next)) return;
    if (this.#expiry !== null) this.world.cancel(this.#expiry.timer);
    const timer = this.world.after(next - this.world.now, null, () => {
      this.#expiry = null;
      if (this.trouble !== "none") return void this.world.after(100, null, () => this.#settle());
      expire(this.state, this.world.now);
      this.#settle();
    });
    this.#expiry = { at: next, timer };
  }

  entries(prefix: string, state = this.state): readonly KvEntry[] {
    return entriesBelow(state, prefix).map((entry) => this.entry(entry));
  }

  /** What a blocking query is answered with: a stale server's word, now and then. */
  seen(prefix: string): readonly KvEntry[] {
    if (this.weather.staleMs === 0) return this.entries(prefix);
    return this.#answer("read", (state) => this.entries(prefix, state));
  }

  entry(entry: Entry): KvEntry {
    const known = this.#texts.get(entry);
    if (known !== undefined) return known;
    const { key, value, modifyIndex: index, session } = entry;
    const text = { key, value: value.toString(), index, session };
    this.#texts.set(entry, text);
    return text;
  }

  /** Waits at the server for a change below the prefix. Returns how to leave. */
  park(prefix: string, wake: () => void): () => void {
    const parked = { prefix, wake };
    this.#parked.add(parked);
    return () => void this.#parked.delete(parked);
  }

  /** All sessions and checks gone, keys kept: a single server that was restarted. */
  restarted(): void {
    const { state, world } = this;
    world.saw("Consul restarted");
    for (const id of Array.from(state.sessions.keys()))
      write(state, (index) => endSession(state, index, id, world.now));
    for (const service of Array.from(state.services.values()))
      if (service.id !== "consul")
        write(state, (index) => removeService(state, index, NODE, service.id, world.now));
    this.#settle();
  }

  /** What `restore` goes back to. */
  snapshot(): void {
    this.#snapshot = structuredClone(this.state);
  }

  /** Keys as of the snapshot (or none), without their locks. */
  restore(how: "snapshot" | "empty"): void {
    const { state } = this;
    const old = how === "snapshot" ? this.#snapshot?.kv : new Map<string, Entry>();
    if (old === undefined) return;
    this.world.saw(how === "snapshot" ? "Consul restored" : "Consul wiped");
    this.restarted();
    write(state, (index) => {
      for (const key of Array.from(state.kv.keys()))
        if (!old.has(key)) putEntry(state, index, key, null);
      for (const [key, entry] of old) {
        // As Consul restores: each entry under its old index.
        putEntry(state, index, key, { ...entry, value: Buffer.from(entry.value), session: null });
      }
    });
    this.#settle();
  }
}

export function unavailable(why: string): UnavailableError {
  return new UnavailableError("AP_CONSUL_UNREACHABLE", why);
}
