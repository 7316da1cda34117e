// Where a race is played: a whole simulated cluster, its roles by name, and hands on the moments that chance rarely hits:
// what a node's Consul tells it late, which of its writes arrive late or never, and the instant at which a key changes.
import type { KvEntry } from "../../src/ports.ts";
import { setKey } from "../../src/consul/dev-agent/keys.ts";
import { write } from "../../src/consul/dev-agent/state.ts";
import { parseLeader, parseState } from "../../recipes/mysql/keys.ts";
import type { State } from "../../recipes/mysql/core/observation.ts";
import { Cluster, KEYS, type Durability } from "./cluster.ts";
import { happen } from "./faults.ts";
import { unrest } from "./liveness.ts";
import type { SimNode, Say } from "./node.ts";
import { destroySession } from "./sim-kv.ts";
import type { Trx } from "./sim-data.ts";
import type { SimServer } from "./sim-server.ts";
import { viewOf, type View } from "./mutant-view.ts";

export type Race = {
  readonly name: string;
  /** The story, for people. */
  readonly story: string;
  readonly nodes: number;
  readonly durability: Partial<Durability>;
  readonly play: (on: Stage) => Promise<void>;
};

const LOOK_EVERY_MS = 1;

export class Stage {
  readonly cluster: Cluster;
  readonly #views = new Map<string, View>();
  readonly #onKey = new Set<(key: string, value: string | null) => void>();

  constructor(race: Race, seed: number, say: Say | null) {
    const { nodes, durability } = race;
    const told: Say | null =
      say && ((node, line) => say(node, `${(this.cluster.world.now / 1_000).toFixed(3)} ${line}`));
    this.cluster = new Cluster({ seed, nodes, durability, say: told });
    const { consul } = this.cluster;
    for (const node of this.cluster.nodes) this.#views.set(node.name, viewOf(consul, node));
    const { onKey } = consul;
    consul.onKey = (key, value, session) => {
      onKey(key, value, session);
      for (const told of this.#onKey) told(key, value);
    };
    this.#watchMore();
  }

  /**
   * Beyond the judge, what costs no acknowledged write and still must not be: a promise that came after the
   * acknowledgement, a server that opens when it could have read of a newer epoch, a lock of an epoch that is over.
   */
  #watchMore(): void {
    const { judge } = this.cluster;
    const { acknowledging, opened } = judge;
    // What a candidate saw itself proves nothing here: the harm has to be seen from outside.
    judge.publishes = () => {};
    judge.acknowledging = (stream) => {
      acknowledging.call(judge, stream);
      const epoch = judge.epochOf(stream.source);
      const node = this.cluster.at(stream.replica.host);
      if (epoch > 0 && (node?.parts.machine.promise.epoch ?? epoch) < epoch)
        judge.broken("I2", `${stream.replica.host} acknowledges epoch ${epoch}, not promised`);
    };
    judge.opened = (server) => {
      opened.call(judge, server);
      const epoch = judge.epochOf(server);
      if (!judge.consulLied && epoch < this.state.epoch)
        judge.broken("late open", `${server.host} opens epoch ${epoch} in ${this.state.epoch}`);
    };
    this.onKey((key, value) => {
      this.#writtenWithoutLock(key, value);
      const leader = key === KEYS.leader && value !== null ? parseLeader(value) : null;
      const epoch = judge.state?.epoch ?? 0;
      if (leader?.held === true && leader.epoch < epoch && !judge.consulLied)
        judge.broken("late lock", `${leader.node} takes the lock of ${leader.epoch} in ${epoch}`);
    });
  }

  /** §1: whoever publishes, opens or changes V holds the lock in the same transaction. */
  #writtenWithoutLock(key: string, value: string | null): void {
    const { consul, judge } = this.cluster;
    const state = key === KEYS.state && value !== null ? parseState(value) : null;
    if (state === null || state.primary === null || judge.consulLied) return;
    const lock = consul.state.kv.get(KEYS.leader);
    const leader = lock === undefined ? null : parseLeader(lock.value.toString());
    const mine = leader?.held === true && leader.uuid === state.primary;
    if ((lock?.session ?? null) === null || !mine)
      judge.broken("late write", `state ${state.ver} is written without the lock`);
  }

  /** Runs in the very step in which a commit returns. */
  onCommit(told: (server: SimServer, trx: Trx) => void): void {
    const { judge } = this.cluster;
    const { released } = judge;
    judge.released = (server, trx, ackers) => {
      released.call(judge, server, trx, ackers);
      told(server, trx);
    };
  }

  get state(): State {
    const { state } = this.cluster.judge;
    if (state === null) throw new Error("no state yet");
    return state;
  }

  primary(): SimNode {
    const node = this.cluster.at(this.cluster.judge.newest?.host ?? "");
    if (node === undefined) throw new Error("no primary yet");
    return node;
  }

  /** All nodes but these, in order. */
  others(...but: readonly SimNode[]): readonly SimNode[] {
    return this.cluster.nodes.filter((node) => !but.includes(node));
  }

  /** The primary and two others. */
  three(): readonly [primary: SimNode, a: SimNode, b: SimNode] {
    const primary = this.primary();
    const [a, b] = this.others(primary);
    if (a === undefined || b === undefined) throw new Error("fewer than three nodes");
    return [primary, a, b];
  }

  server(node: SimNode): SimServer {
    const { server } = node.parts.machine;
    if (server === null) throw new Error(`${node.name} has no mysqld`);
    return server;
  }

  uuid(node: SimNode): string {
    const { data } = node.parts.machine;
    if (data === null) throw new Error(`${node.name} has no data`);
    return data.uuid;
  }

  isVoter(node: SimNode): boolean {
    const { data } = node.parts.machine;
    return data !== null && this.state.voters.includes(data.uuid);
  }

  wait(ms: number): Promise<void> {
    return this.cluster.world.wait(ms, null);
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await this.wait(LOOK_EVERY_MS);
  }

  /** Whichever comes first. */
  async within(ms: number, holds: () => boolean): Promise<boolean> {
    const over = this.cluster.world.now + ms;
    while (!holds() && this.cluster.world.now < over) await this.wait(LOOK_EVERY_MS);
    return holds();
  }

  /** In the very step in which Consul takes such a state. */
  onState(holds: (state: State) => boolean): Promise<State> {
    return new Promise((resolve) => {
      const told = (key: string, value: string | null): void => {
        const state = key === KEYS.state && value !== null ? parseState(value) : null;
        if (state === null || !holds(state)) return;
        this.#onKey.delete(told);
        resolve(state);
      };
      this.#onKey.add(told);
    });
  }

  /** Runs in the very step in which a key changes. */
  onKey(told: (key: string, value: string | null) => void): void {
    this.#onKey.add(told);
  }

  /** One primary, k as wished, and everybody follows and says so. */
  async steady(): Promise<void> {
    const { cluster } = this;
    await this.until(() => cluster.judge.state?.phase === "open");
    await this.until(() => {
      const { world } = cluster;
      return world.now > 4_000 && unrest(cluster, [], Infinity) === null;
    });
    await this.wait(2_500);
  }

  /** So many more writes are acknowledged. */
  async writes(count: number): Promise<void> {
    const { clients } = this.cluster;
    const before = clients.oks;
    await this.until(() => clients.oks >= before + count);
  }

  /** The node that Consul names as primary. */
  published(): SimNode {
    const { primary } = this.state;
    const node = this.cluster.nodes.find((it) => it.parts.machine.data?.uuid === primary);
    if (node === undefined) throw new Error("no published primary");
    return node;
  }

  /** The node that the lock names. */
  holder(): SimNode {
    const entry = this.cluster.consul.state.kv.get(KEYS.leader);
    const leader = entry === undefined ? null : parseLeader(entry.value.toString());
    const node = leader?.held === true ? this.cluster.at(leader.node) : undefined;
    if (node === undefined) throw new Error("nobody holds the lock");
    return node;
  }

  isOpen(node: SimNode): boolean {
    return node.parts.machine.server?.readOnly === false;
  }

  /** One client of the story's own: what it is told, the judge knows. */
  writeTo(node: SimNode): void {
    const { server } = node.parts.machine;
    const { judge } = this.cluster;
    server?.submit({ kind: "data" }, (trx) => {
      if (trx === null) return;
      judge.answered(server, trx);
      judge.acknowledged(server, trx);
    });
  }

  cut(a: SimNode | "consul" | "client", b: SimNode | "consul" | "client"): void {
    this.cluster.net.cut(nameOf(a), nameOf(b));
    this.cluster.net.cut(nameOf(b), nameOf(a));
  }

  heal(a: SimNode | "consul" | "client", b: SimNode | "consul" | "client"): void {
    this.cluster.net.heal(nameOf(a), nameOf(b));
    this.cluster.net.heal(nameOf(b), nameOf(a));
  }

  /** What is sent to this node's disk waits: it acknowledges nothing, and stays connected. */
  stall(node: SimNode): void {
    node.parts.machine.weather.full = true;
  }

  unstall(node: SimNode): void {
    node.parts.machine.weather.full = false;
    node.parts.machine.server?.diskFreed();
  }

  pauseAgent(node: SimNode): void {
    if (node.agent !== null) this.cluster.world.pause(node.agent.main);
  }

  resumeAgent(node: SimNode): void {
    if (node.agent !== null) this.cluster.world.resume(node.agent.main);
  }

  pauseLease(node: SimNode): void {
    if (node.agent !== null) this.cluster.world.pause(node.agent.thread);
  }

  /** From now on its watch of this key brings nothing new; reads are as ever. */
  freeze(node: SimNode, key: string): void {
    this.#viewOf(node).frozen.set(key, this.cluster.consul.entries(key));
  }

  /** Its watch of this key tells this, as a server that lags behind would. */
  showOld(node: SimNode, key: string, entries: readonly KvEntry[]): void {
    this.#viewOf(node).frozen.set(key, entries);
  }

  /** Wakes whoever watches the key, without a change of its value. */
  poke(key: string): void {
    const { consul } = this.cluster;
    consul.now(() =>
      write(consul.state, (index) =>
        setKey(consul.state, index, {
          key: `${key}/poke`,
          value: Buffer.from("{}"),
          flags: 0,
          index: 0,
          session: "",
        }),
      ),
    );
  }

  thaw(node: SimNode): void {
    const { frozen } = this.#viewOf(node);
    const keys = [...frozen.keys()];
    frozen.clear();
    for (const key of keys) this.poke(key);
  }

  /** Its transactions take effect so much later, or never (Infinity), and are not answered. */
  delayWrites(node: SimNode, afterMs: number): void {
    this.#viewOf(node).writes = { afterMs, answered: false };
  }

  /** Its transactions take their time; less than a request's limit. */
  slowWrites(node: SimNode, afterMs: number): void {
    this.#viewOf(node).writes = { afterMs, answered: true };
  }

  /** Its reads are refused from now on, or no longer; its watches and writes are as ever. */
  refuseReads(node: SimNode, refused: boolean): void {
    this.#viewOf(node).unread = refused;
  }

  usualWrites(node: SimNode): void {
    this.#viewOf(node).writes = null;
  }

  endSessions(): void {
    const { consul } = this.cluster;
    for (const session of Array.from(consul.state.sessions.keys())) this.endSession(session);
  }

  /** Of whoever holds the lock. */
  freeLock(): void {
    const session = this.cluster.consul.state.kv.get(KEYS.leader)?.session ?? null;
    if (session !== null) this.endSession(session);
  }

  endSession(session: string): void {
    const { consul } = this.cluster;
    consul.now(() => destroySession(consul, session));
  }

  switchover(to: SimNode): void {
    happen(this.cluster, { at: 0, do: "switchover", to: to.name });
  }

  broken(kind: string, what: string): void {
    this.cluster.judge.broken(kind, what);
  }

  #viewOf(node: SimNode): View {
    const view = this.#views.get(node.name);
    if (view === undefined) throw new Error(`${node.name} is not on the stage`);
    return view;
  }

  /** Everything as usual again. */
  calm(): void {
    for (const node of this.cluster.nodes) {
      this.thaw(node);
      this.usualWrites(node);
      this.refuseReads(node, false);
      node.resume();
    }
    this.cluster.heal();
  }
}

function nameOf(who: SimNode | "consul" | "client"): string {
  return typeof who === "string" ? who : who.name;
}
