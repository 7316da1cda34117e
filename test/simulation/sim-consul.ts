// Consul in memory: the development agent's own state (the one that passes the contract suite) under virtual time, behind
// the simulated network. Requests and answers can be late or lost; a write whose answer is lost may have happened.
// One cluster of Consul servers, seen as one; nodes reach it or do not.
import { UnavailableError } from "../../src/errors.ts";
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

export type ConsulWeather = {
  /** Answers take up to this much longer. */
  slowMs: number;
  /** Of all requests: lost before or after their effect, half and half. */
  lost: number;
  /** Of all writes: the caller gives up, and the effect comes later. */
  late: number;
  /** Of all writes: the effect happens a second time, later. */
  twice: number;
};

const FAIR: ConsulWeather = { slowMs: 0, lost: 0, late: 0, twice: 0 };
/** An agent holds a request up to 7 s for a leader (RPCHoldTimeout). */
const LATE_MS = 7_000;

type Parked = { readonly prefix: string; readonly wake: () => void };

export class SimConsul {
  readonly world: World;
  readonly net: Network;
  state: State = createState(0);
  weather: ConsulWeather = FAIR;
  /** No leader, or not there at all. */
  down = false;
  commits = 0;
  /** Every change of a key, also by the end of a session. */
  onKey: (key: string, value: string | null, session: string | null) => void = () => {};
  readonly #parked = new Set<Parked>();
  readonly #texts = new WeakMap<Entry, KvEntry>();
  #snapshot: State | null = null;
  #expiry: { readonly at: number; readonly timer: Timer } | null = null;

  constructor(world: World, net: Network) {
    this.world = world;
    this.net = net;
  }

  calm(): void {
    this.weather = FAIR;
    this.down = false;
  }

  /** One request. Errors: UnavailableError: not known whether it had its effect. */
  request<T>(caller: Caller, what: "read" | "write", effect: () => T): Promise<T> {
    const { world, net, weather } = this;
    const { node, life } = caller;
    return new Promise((resolve, reject) => {
      const sentAt = world.now;
      const lose = (): void => {
        const left = sentAt + REQUEST_TIMEOUT_MS - world.now;
        world.after(left, life, () => reject(unavailable("no answer within 1 s")));
      };
      if (net.isCut(node, "consul")) return lose();
      if (this.down) return void world.after(1, life, () => reject(unavailable("no leader")));
      const dice = this.#dice(what);
      world.after(dice.thereMs, null, () => {
        if (this.down || net.isCut(node, "consul") || dice.lost === "before") return lose();
        const value = this.#take(effect);
        if (dice.again > 0) world.after(dice.again, null, () => void this.#take(effect));
        const over = world.now - sentAt + dice.backMs >= REQUEST_TIMEOUT_MS;
        if (over || dice.lost === "after") return lose();
        world.after(dice.backMs, life, () => {
          if (net.isCut(node, "consul")) return lose();
          resolve(value);
        });
      });
      if (weather.slowMs > REQUEST_TIMEOUT_MS / 2 || weather.late > 0)
        world.after(REQUEST_TIMEOUT_MS, life, () => reject(unavailable("no answer within 1 s")));
    });
  }

  #dice(what: "read" | "write") {
    const { random } = this.world;
    const { slowMs, lost, late, twice } = this.weather;
    let [thereMs, backMs] = [this.net.latency() + 0.3, this.net.latency()];
    if (this.weather === FAIR) return { thereMs, backMs, lost: null, again: 0 } as const;
    thereMs += random.next() * slowMs;
    backMs += random.next() * slowMs;
    if (what === "write" && random.chance(late)) thereMs += random.between(500, LATE_MS);
    const again =
      what === "write" && random.chance(twice) ? thereMs + random.between(1, LATE_MS) : 0;
    const gone = random.chance(lost) ? random.pick(["before", "after"] as const) : null;
    return { thereMs, backMs, lost: gone, again };
  }

  /** At once, for whoever stands beside: faults and operators. */
  now<T>(effect: () => T): T {
    return this.#take(effect);
  }

  #take<T>(effect: () => T): T {
    expire(this.state, this.world.now);
    const value = effect();
    this.#settle();
    return value;
  }

  /** Tells watchers what changed, and minds the next TTL. */
  #settle(): void {
    const change = drain(this.state);
    if (change !== null && change.keys.size > 0) {
      this.commits += 1;
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
    const next = nextDeadline(this.state);
    if (next === null || (this.#expiry !== null && this.#expiry.at <= next)) return;
    if (this.#expiry !== null) this.world.cancel(this.#expiry.timer);
    const timer = this.world.after(next - this.world.now, null, () => {
      this.#expiry = null;
      if (this.down) return void this.world.after(100, null, () => this.#settle());
      expire(this.state, this.world.now);
      this.#settle();
    });
    this.#expiry = { at: next, timer };
  }

  entries(prefix: string): readonly KvEntry[] {
    return entriesBelow(this.state, prefix).map((entry) => this.entry(entry));
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
