// One incarnation of a simulated mysqld on its datadir: commits with group order and semi-sync AFTER_SYNC, gates, client
// sessions, shutdown. What it knows of replication is in sim-replication.ts; the verbs of the port in sim-mysqld.ts.
// Traps on purpose: the binlog's tail without acknowledgement is committed by crash recovery (S1); an orderly shutdown
// and semi-sync OFF tell waiting clients OK (S5, S6); a KILL does not end a wait (S7); a closing SET waits for waiters
// (S8); acknowledgements are positions, of whoever is connected (S25); a waiting CREATE USER refuses all logins (S22).
import type { Network } from "./network.ts";
import type { Data, DiskWeather, Trx } from "./sim-data.ts";
import { Receiver, type Stream } from "./sim-replication.ts";
import { Life, type World } from "./world.ts";

/** What somebody connected here asks to be committed. */
type Wish = {
  readonly kind: Trx["kind"];
  readonly what?: number;
  readonly gtid?: { readonly uuid: string; readonly n: number };
  readonly heavyMs?: number;
};

type Waiter = { readonly pos: number; readonly trx: Trx; readonly done: () => void };

/** A connection from outside. */
export type Session = { alive: boolean; readonly lost: () => void };

/** What the judge of the run looks at. */
export type Witness = {
  opened(server: SimServer): void;
  /** A commit returned because this many acknowledged it; `ackers` null: semi-sync was OFF. */
  released(server: SimServer, trx: Trx, ackers: readonly string[] | null): void;
  acknowledging(stream: Stream): void;
  armed(server: SimServer): void;
  setAside(uuid: string): void;
  torn(uuid: string, received: readonly Trx[]): void;
  discarded(server: SimServer, received: readonly Trx[]): void;
};

export type Surroundings = {
  readonly world: World;
  readonly net: Network;
  readonly witness: Witness;
  readonly serverAt: (host: string) => SimServer | null;
};

const BEAT_ROWS = 16;

export class SimServer {
  readonly host: string;
  readonly data: Data;
  readonly around: Surroundings;
  readonly disk: DiskWeather;
  readonly life: Life;
  readonly receiver: Receiver;
  ready = false;
  stopping = false;
  readOnly = true;
  superReadOnly = true;
  offline = false;
  /** max_connections = 1. */
  full = false;
  readonly semi = { enabled: false, waitFor: 1, clientsShown: 0 };
  /** SETs that wait for the commit lock. */
  closing = 0;
  readonly dumps = new Map<string, Stream>();
  readonly sessions = new Set<Session>();
  /** Told when this process ends. */
  readonly onEnd = new Set<() => void>();
  waiters: Waiter[] = [];
  #replyPos = 0;
  #beats = 0;
  #stalled: (() => void)[] = [];

  constructor(host: string, data: Data, disk: DiskWeather, around: Surroundings) {
    this.host = host;
    this.data = data;
    this.disk = disk;
    this.around = around;
    this.life = new Life(`mysqld@${host}`);
    this.receiver = new Receiver(this);
    const { random } = around.world;
    // What the page cache had, the disk gets.
    data.synced = data.relay.length;
    around.world.after(random.between(250, 700) + disk.slowMs, this.life, () => {
      for (const trx of data.tail) this.#inEngine(trx);
      data.tail.clear();
      this.ready = true;
    });
  }

  /** SIGKILL. */
  kill(): void {
    if (!this.life.alive) return;
    this.life.end();
    this.ready = false;
    const { world, net } = this.around;
    for (const stream of this.dumps.values()) stream.sourceDied();
    this.receiver.died();
    for (const session of this.sessions) {
      session.alive = false;
      world.after(net.latency(), null, session.lost);
    }
    this.sessions.clear();
    for (const told of this.onEnd) told();
    this.onEnd.clear();
  }

  /** SIGTERM. S5: whoever waits is told OK. */
  terminate(): void {
    if (this.stopping || !this.life.alive) return;
    const { world } = this.around;
    world.after(1, this.life, () => {
      this.stopping = true;
      this.#releaseAll();
      world.after(world.random.between(100, 1_200), this.life, () => this.kill());
    });
  }

  has(trx: { readonly uuid: string; readonly n: number }): boolean {
    return this.data.executed.has(trx.uuid, trx.n) || this.data.retrieved.has(trx.uuid, trx.n);
  }

  /** A waiting CREATE USER holds the lock that every login needs (S22). */
  get aclLocked(): boolean {
    return this.waiters.some((w) => w.trx.kind === "account" || w.trx.kind === "no-account");
  }

  /** Null: come in. */
  refusesClient(): string | null {
    if (!this.ready || this.stopping) return "refused";
    if (this.offline) return "offline mode";
    if (this.full) return "too many connections";
    return this.aclLocked ? "hangs" : null;
  }

  closeSessions(): void {
    const { world, net } = this.around;
    for (const session of this.sessions) {
      session.alive = false;
      world.after(net.latency(), null, session.lost);
    }
    this.sessions.clear();
  }

  /** One transaction of somebody connected here. `done(false)`: refused, nothing was written. */
  submit(wish: Wish, done: (trx: Trx | null) => void): void {
    const { world } = this.around;
    const { kind } = wish;
    if (kind === "beat" && this.#beats >= BEAT_ROWS) return; // Its row is locked by one that waits.
    if (this.#refuses(kind)) return done(null);
    if (this.disk.slowMs > 0) world.saw("disk slow");
    const ms = world.random.between(0.3, 1.2) + world.random.next() * this.disk.slowMs;
    if (kind === "beat") this.#beats += 1;
    world.after(ms, this.life, () => this.#flush(wish, done));
  }

  #refuses(kind: Trx["kind"]): boolean {
    if (this.stopping) return true;
    if (kind === "errant") return false;
    return this.superReadOnly || (this.readOnly && kind === "data");
  }

  #flush(wish: Wish, done: (trx: Trx | null) => void): void {
    const { world } = this.around;
    const { kind, what = 0, gtid = null, heavyMs = 0 } = wish;
    // MySQL waits for room without an error.
    if (this.disk.full) {
      world.saw("disk full: a commit waits");
      this.#stalled.push(() => this.#flush(wish, done));
      return;
    }
    if (this.closing > 0) {
      world.after(5, this.life, () => this.#flush(wish, done));
      return;
    }
    // MySQL looks again at commit.
    if (this.#refuses(kind)) {
      if (kind === "beat") this.#beats -= 1;
      return done(null);
    }
    const { data } = this;
    const id = gtid ?? { uuid: data.uuid, n: (data.lastOwn += 1) };
    const trx: Trx = { ...id, kind, what, at: world.now, heavyMs };
    this.log(trx, () => {
      if (kind === "beat") this.#beats -= 1;
      done(trx);
    });
  }

  /** Into the binlog, synced; into the engine when it is acknowledged. The applier comes through here too. */
  log(trx: Trx, done: () => void): void {
    const { data } = this;
    data.binlog.push(trx);
    data.tail.add(trx);
    if (this.semi.enabled) {
      this.waiters.push({ pos: data.binlog.length, trx, done });
      this.#trap();
    } else this.#commit(trx, null, done);
    for (const stream of this.dumps.values()) stream.pump();
  }

  #trap(): void {
    const { world } = this.around;
    const within = this.disk.killInCommit;
    if (within === null) return;
    this.disk.killInCommit = null;
    world.after(world.random.next() * within, null, () => {
      if (this.life.alive) world.saw("mysqld killed in a commit");
      this.kill();
    });
  }

  #commit(trx: Trx, ackers: readonly string[] | null, done: () => void): void {
    this.data.tail.delete(trx);
    this.#inEngine(trx);
    this.around.witness.released(this, trx, ackers);
    done();
  }

  #inEngine(trx: Trx): void {
    const { data } = this;
    data.executed.add(trx.uuid, trx.n);
    if (trx.uuid === data.uuid && trx.n > data.lastOwn) data.lastOwn = trx.n;
    if (trx.kind === "no-account") data.accounts.delete(trx.what);
    if (trx.kind === "account" && !data.accounts.has(trx.what)) data.accounts.set(trx.what, false);
  }

  acknowledged(stream: Stream, pos: number): void {
    if (!this.semi.enabled || pos <= stream.acked) return;
    stream.acked = pos;
    this.checkAcks();
  }

  checkAcks(): void {
    if (!this.semi.enabled) return this.#releaseAll();
    const acks = [...this.dumps.values()].filter((s) => s.semi).map((s) => s.acked);
    acks.sort((a, b) => b - a);
    this.#replyPos = Math.max(this.#replyPos, acks[this.semi.waitFor - 1] ?? 0);
    while (this.waiters[0] !== undefined && this.waiters[0].pos <= this.#replyPos) {
      const { pos, trx, done } = this.waiters.shift() as Waiter;
      const ackers = [...this.dumps.values()].filter((s) => s.semi && s.acked >= pos);
      this.#commit(
        trx,
        ackers.map((s) => s.replica.data.uuid),
        done,
      );
    }
  }

  #releaseAll(): void {
    const { waiters } = this;
    this.waiters = [];
    for (const { trx, done } of waiters) this.#commit(trx, null, done);
  }

  /** `acks` 0: semi-sync source OFF (S6). */
  arm(acks: number): void {
    if (acks > 0) this.semi.waitFor = acks;
    if (acks > 0 && !this.semi.enabled) this.#replyPos = 0;
    this.semi.enabled = acks > 0;
    this.around.witness.armed(this);
    this.checkAcks();
  }

  /** SET read_only / super_read_only = ON: waits for every commit that is under way (S8). */
  close(what: "read" | "super", cancelled: () => boolean, done: () => void): void {
    this.closing += 1;
    const look = (): void => {
      if (cancelled()) {
        this.closing -= 1;
        return;
      }
      if (this.waiters.length > 0) return void this.around.world.after(5, this.life, look);
      this.closing -= 1;
      this.readOnly = true;
      if (what === "super") this.superReadOnly = true;
      done();
    };
    look();
  }

  setOpen(): void {
    this.readOnly = false;
    this.around.witness.opened(this);
  }

  addDump(stream: Stream): void {
    // A zombie of the same replica goes.
    this.dumps.get(stream.replica.data.uuid)?.killed();
    this.dumps.set(stream.replica.data.uuid, stream);
    this.countClients();
  }

  dropDump(stream: Stream): void {
    if (this.dumps.get(stream.replica.data.uuid) !== stream) return;
    this.dumps.delete(stream.replica.data.uuid);
    const { world } = this.around;
    // The ack receiver notices up to a second later.
    const ms = world.random.chance(0.3) ? world.random.between(0, 1_000) : 1;
    world.after(ms, this.life, () => this.countClients());
  }

  countClients(): void {
    this.semi.clientsShown = [...this.dumps.values()].filter((s) => s.semi).length;
  }

  /** A person has looked, and started the applier that had stopped with an error. */
  applierMended(): void {
    if (this.life.alive && this.ready && this.receiver.sqlErrno !== 0) this.receiver.startSql();
  }

  /** There is room on the disk again. */
  diskFreed(): void {
    const stalled = this.#stalled;
    this.#stalled = [];
    for (const again of stalled) this.around.world.after(0, this.life, again);
    this.receiver.pumpAgain();
  }
}
