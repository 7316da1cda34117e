// What must hold after every step, seen from outside (PROTOCOL.md §1 (1)–(3), §8 I1–I10). The judge knows everything at
// once: what clients were told, what is on every disk, what Consul says. The first violation ends the run.
import type { Observation, State } from "../../recipes/mysql/core/observation.ts";
import { Gtids } from "./gtids.ts";
import { wronglyElected } from "./judge-election.ts";
import type { Trx } from "./sim-data.ts";
import type { SimServer, Witness } from "./sim-server.ts";
import type { Stream } from "./sim-replication.ts";
import type { World } from "./world.ts";

export class Violation extends Error {
  readonly rule: string;

  constructor(rule: string, what: string) {
    super(`${rule}: ${what}`);
    this.rule = rule;
  }
}

export type Known = {
  readonly promised: (uuid: string) => number;
  readonly serverOf: (uuid: string) => SimServer | null;
  /** What the disk of this uuid holds, also while nothing runs on it; null: it is gone. */
  readonly onDisk: (uuid: string) => Gtids | null;
  /** The same question for one transaction, at a fraction of its cost. */
  readonly isOnDisk: (uuid: string, trx: Trx) => boolean;
  readonly hasDisk: (uuid: string) => boolean;
  /** The newest epoch that a node's record in Consul says it has joined. */
  readonly newestRecord: () => number;
};

export class Judge implements Witness {
  readonly world: World;
  readonly known: Known;
  /** The newest state in Consul. */
  state: State | null = null;
  /** Client writes: transactions that clients were told OK, or were shown. */
  readonly #owed = new Gtids();
  readonly #owedList: Trx[] = [];
  readonly #published = new Map<string, number>();
  readonly #opened = new Map<number, SimServer>();
  readonly #states = new Map<number, string>();
  newestOpened = 0;
  newest: SimServer | null = null;
  /** Consul was restored or wiped: what it says is not the truth any more. */
  consulLied = false;
  violation: Violation | null = null;
  /** Why this cluster need not come to rest; null: it must. */
  excuse: string | null = null;
  /** A person wrote on a node that was not the primary: then two nodes may each hold what the other lacks (§4 step 5). */
  wroteOutside = false;
  /** uuids whose disks went back in time: what they held is not there any more. */
  readonly #wentBack = new Set<string>();
  #beyond = false;
  /** By uuid: the set of its newest promise in Consul. */
  readonly #promisedSets = new Map<string, Gtids>();
  /** By uuid: the newest epoch whose promise is in Consul. */
  readonly #promised = new Map<string, number>();
  #shownAt = new WeakMap<SimServer, number>();

  constructor(world: World, known: Known) {
    this.world = world;
    this.known = known;
  }

  broken(rule: string, what: string): void {
    if (this.#beyond && rule.startsWith("(")) return;
    this.violation ??= new Violation(rule, what);
    this.world.over ??= this.violation;
  }

  /** The epoch that a server was published for; 0: never. */
  epochOf(server: SimServer): number {
    return this.#published.get(server.data.uuid) ?? 0;
  }

  opened(server: SimServer): void {
    const epoch = this.epochOf(server);
    const before = this.#opened.get(epoch);
    if (before !== undefined && before !== server)
      this.broken("I8", `epoch ${epoch} opened by ${before.host} and then by ${server.host}`);
    if (epoch === 0) this.broken("I7", `${server.host} opened without being published`);
    this.#opened.set(epoch, server);
    if (epoch < this.newestOpened) return; // Its commits cannot be acknowledged; that is judged there.
    this.newestOpened = epoch;
    this.newest = server;
    const lacks = this.#owed.missingIn(server.data.executed);
    if (lacks !== null)
      this.broken(
        "(1)",
        `${server.host} opened epoch ${epoch} without ${lacks}, which was acknowledged or shown`,
      );
    this.#markerAcked(server, epoch);
  }

  #markerAcked(server: SimServer, epoch: number): void {
    const { state } = this;
    if (state === null || state.epoch !== epoch || state.primary !== server.data.uuid) return;
    const marker = [...this.#markers(server)].find((trx) => trx.what === epoch);
    if (marker === undefined) return this.broken("I7", `epoch ${epoch} opened without its marker`);
    const holders = this.#holders(server, state, marker);
    if (holders < state.acks)
      this.broken(
        "I7",
        `epoch ${epoch} opened, its marker is on ${holders} of ${state.acks} voters`,
      );
  }

  *#markers(server: SimServer): Iterable<Trx> {
    const { binlog } = server.data;
    for (let at = binlog.length - 1; at >= 0; at--) {
      const trx = binlog[at] as Trx;
      if (trx.kind === "marker") yield trx;
    }
  }

  #holders(server: SimServer, state: State, trx: Trx): number {
    return state.voters.filter((v) => v !== server.data.uuid && this.known.isOnDisk(v, trx)).length;
  }

  released(server: SimServer, trx: Trx, ackers: readonly string[] | null): void {
    const { state } = this;
    if (state === null || server.readOnly || ackers === null || this.consulLied) return;
    if (state.primary !== server.data.uuid || state.acks === 0) return;
    const counted = ackers.filter((uuid) => state.voters.includes(uuid)).length;
    if (counted < state.acks)
      this.broken(
        "I10",
        `${server.host} committed ${trx.uuid}:${trx.n} acknowledged by ${counted} of V, k is ${state.acks}`,
      );
  }

  /** I10, before anything is committed: the published primary waits for at least k, and only V can acknowledge. */
  armed(server: SimServer): void {
    const { state } = this;
    if (state === null || this.consulLied || state.primary !== server.data.uuid) return;
    if (this.epochOf(server) !== state.epoch || state.acks === 0 || server.superReadOnly) return;
    const { enabled, waitFor } = server.semi;
    if (!enabled || waitFor < state.acks)
      this.broken("I10", `${server.host} waits for ${enabled ? waitFor : 0}, k is ${state.acks}`);
    for (const [uuid, stream] of server.dumps)
      if (stream.semi && stream.alive && !state.voters.includes(uuid))
        this.broken(
          "I4",
          `${stream.replica.host} may acknowledge to ${server.host} and is not in V`,
        );
  }

  /** §7 rebuild: what a voter holds may be the only copy that counts. */
  setAside(uuid: string): void {
    const { state } = this;
    const voter = state !== null && state.epoch > 0 && state.voters.includes(uuid);
    if (voter && !this.consulLied) this.broken("I4", `the datadir of voter ${uuid} is set aside`);
  }

  wentBack(uuid: string): void {
    this.#wentBack.add(uuid);
  }

  /** I5: a power cut tears off only what was neither acknowledged nor promised. */
  torn(uuid: string, received: readonly Trx[]): void {
    const set = this.#promisedSets.get(uuid);
    const lost = received.find((trx) => set?.has(trx.uuid, trx.n) === true);
    if (lost !== undefined)
      this.broken("I5", `${uuid} lost ${lost.uuid}:${lost.n}, which is in its promise`);
  }

  /** §4 steps 4 to 6, by the winner's own eyes. */
  publishes(node: string, o: Observation): void {
    // Those who remember what Consul has forgotten have not been able to say so: more than the protocol promises (§7).
    if (this.consulLied && this.known.newestRecord() < this.newestOpened) {
      this.#beyond = true;
      this.excuse = "Consul was restored, and nobody who knew better could say so";
    }
    const why = wronglyElected(o);
    if (why !== null) this.broken("I6", `${node} publishes itself: ${why}`);
  }

  acknowledging({ source, replica }: Stream): void {
    // From the moment its set is published; what it acknowledges between the promise and the look is in that set.
    const promised = this.#promised.get(replica.data.uuid) ?? 0;
    const epoch = this.epochOf(source);
    if (epoch > 0 && promised > epoch)
      this.broken("I3", `${replica.host} promised ${promised} and acknowledges epoch ${epoch}`);
  }

  discarded(server: SimServer, received: readonly Trx[]): void {
    const voter = this.state?.voters.includes(server.data.uuid) === true;
    if (voter)
      this.broken("I5", `${server.host} threw away ${received.length} received transactions`);
  }

  /** mysqld said OK to a client that was still connected. */
  answered(server: SimServer, trx: Trx): void {
    const epoch = this.epochOf(server);
    this.#owe(trx);
    // A late OK of a commit that was acknowledged before, by a server that was stopped meanwhile, is true.
    const { newest } = this;
    const late = newest !== null && newest !== server && epoch < this.newestOpened;
    if (late && !this.known.isOnDisk(newest.data.uuid, trx))
      this.broken(
        "(2)",
        `${server.host} (epoch ${epoch}) says OK while epoch ${this.newestOpened} is open`,
      );
    if (late) return;
    const { state } = this;
    if (state === null || state.primary !== server.data.uuid || state.acks === 0) return;
    if (this.consulLied) return;
    const holders = this.#holders(server, state, trx);
    if (holders < state.acks)
      this.broken(
        "I9",
        `${server.host} says OK to ${trx.uuid}:${trx.n}, on ${holders} of ${state.acks} voters`,
      );
  }

  acknowledged(_server: SimServer, trx: Trx): void {
    this.#owe(trx);
  }

  #owe(trx: Trx): void {
    if (this.#owed.has(trx.uuid, trx.n)) return;
    this.#owed.add(trx.uuid, trx.n);
    this.#owedList.push(trx);
  }

  /** A reader looked at everything. */
  shown(server: SimServer): void {
    const { binlog, tail, executed } = server.data;
    let at = this.#shownAt.get(server) ?? 0;
    for (; at < binlog.length; at++) {
      const trx = binlog[at] as Trx;
      if (tail.has(trx)) break;
      if (trx.kind !== "data" || !executed.has(trx.uuid, trx.n)) continue;
      this.#owe(trx);
      this.#showsOnlyHeld(server, trx);
    }
    this.#shownAt.set(server, at);
    const { newest } = this;
    if (newest === null || newest === server || this.epochOf(server) >= this.newestOpened) return;
    const lacks = this.#owed.missingIn(newest.data.executed);
    if (lacks !== null && newest.life.alive)
      this.broken("(3)", `${server.host} showed ${lacks}, which ${newest.host} has not`);
  }

  /** I10: what is shown is on k voters of V besides; a voter whose disk was lost or went back is the table's business. */
  #showsOnlyHeld(server: SimServer, trx: Trx): void {
    const { state, known } = this;
    if (state === null || this.consulLied || state.primary !== server.data.uuid) return;
    if (state.phase !== "open" || this.epochOf(server) !== state.epoch) return;
    const whole = (v: string): boolean => known.hasDisk(v) && !this.#wentBack.has(v);
    if (!state.voters.every(whole)) return;
    const holders = this.#holders(server, state, trx);
    if (holders < state.acks)
      this.broken(
        "I10",
        `${server.host} shows ${trx.uuid}:${trx.n}, on ${holders} of ${state.acks} voters`,
      );
  }

  /** A key below promises/ or `state` was written. */
  stateWritten(next: State): void {
    const before = this.state;
    this.state = next;
    if (next.primary !== null && next.phase !== "electing")
      this.#published.set(
        next.primary,
        Math.max(next.epoch, this.#published.get(next.primary) ?? 0),
      );
    if (before === null || this.consulLied) return;
    const primary = next.primary === null ? null : this.known.serverOf(next.primary);
    if (primary !== null) this.armed(primary);
    if (next.ver !== before.ver + 1) this.broken("I1", `state.ver ${before.ver} → ${next.ver}`);
    const same = next.epoch === before.epoch;
    if (!same && next.epoch !== before.epoch + 1)
      this.broken("I1", `state.epoch ${before.epoch} → ${next.epoch}`);
    const config = JSON.stringify([next.voters.toSorted(), next.acks]);
    const configBefore = JSON.stringify([before.voters.toSorted(), before.acks]);
    if (!same && config !== configBefore)
      this.broken("I1", `epoch ${next.epoch} begins with another V or k`);
    if (same && config !== configBefore && before.primary === null)
      this.broken("I1", `V or k changed while epoch ${next.epoch} had no published primary`);
    if (next.acks > next.voters.length - 1)
      this.broken("I1", `k ${next.acks} of ${next.voters.length}`);
    const key = `${next.phase} ${next.primary ?? ""}`;
    if (next.phase === "electing") {
      if (this.#states.has(next.epoch)) this.broken("I1", `two elections of epoch ${next.epoch}`);
      this.#states.set(next.epoch, key);
    }
  }

  promiseWritten(record: {
    uuid: string;
    epoch: number;
    executed: string;
    retrieved: string;
  }): void {
    if (this.known.promised(record.uuid) < record.epoch)
      this.broken(
        "I2",
        `${record.uuid} published a promise of ${record.epoch} that is not on its disk`,
      );
    const disk = this.known.onDisk(record.uuid);
    if (disk === null) return;
    const { uuid, epoch } = record;
    const set = Gtids.parse(record.executed);
    set.addAll(Gtids.parse(record.retrieved));
    const lacks = set.missingIn(disk);
    if (lacks !== null) this.broken("I5", `${uuid} published ${lacks}, which it has not`);
    this.#promisedSets.set(uuid, set);
    // Still as it was when it looked: then nothing may have come in since.
    const server = this.known.serverOf(uuid);
    const more = server?.receiver.io === "No" && server.readOnly ? disk.missingIn(set) : null;
    const stands = this.known.promised(uuid) === epoch && (this.#promised.get(uuid) ?? 0) < epoch;
    if (stands && more !== null)
      this.broken("I3", `${uuid} has ${more}, which is not in its promise of ${epoch}`);
    this.#promised.set(uuid, Math.max(epoch, this.#promised.get(uuid) ?? 0));
  }

  /** For messages and liveness: what clients were told or shown, and the newest primary lacks. */
  lacking(server: SimServer): string | null {
    return this.#owed.missingIn(server.data.executed);
  }

  owed(): number {
    return this.#owedList.length;
  }
}
