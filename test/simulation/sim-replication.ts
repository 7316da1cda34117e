// Replication between simulated servers: the receiver and applier of a replica, and the stream from a source's binlog.
// Traps on purpose: a reconnected replica does not acknowledge what it has (S10); Connecting is not stopped (S17); a
// CHANGE with both threads stopped deletes what was received (S14); a dump thread outlives a silent host; an
// acknowledgement says "synced to the relay log", which survives a crash.
import { Gtids } from "./gtids.ts";
import type { Trx } from "./sim-data.ts";
import type { SimServer } from "./sim-server.ts";

const RETRY_MS = 1_000;
/** replica_net_timeout. */
const SILENT_MS = 4_000;
const WATCHDOG_MS = 1_000;
const BATCH = 50;
/** So many transactions fit into a connection that hears nothing back. */
const WINDOW = 30;

/** ER_LOCK_WAIT_TIMEOUT, after replica_transaction_retries. */
const LOCK_WAIT_TIMEOUT = 1205;

export class Stream {
  readonly source: SimServer;
  readonly replica: SimServer;
  readonly semi: boolean;
  /** The replica's end, and the source's. */
  open = true;
  alive = true;
  acked = 0;
  /** Up to here the source's binlog has arrived. */
  position = 0;
  silentMs = 0;
  #busy = false;
  #lastAckAt = 0;
  #unheard = 0;

  constructor(source: SimServer, replica: SimServer, semi: boolean) {
    this.source = source;
    this.replica = replica;
    this.semi = semi;
  }

  /** What the source sends does not arrive. */
  get #forthCut(): boolean {
    const { source, replica } = this;
    if (source.around.net.isBlocked(source.host, replica.host)) return true;
    // Without TCP's own acknowledgements the source stops sending when its window is full.
    return this.#backCut && this.#unheard >= WINDOW;
  }

  /** What the replica answers does not arrive. */
  get #backCut(): boolean {
    return this.source.around.net.isBlocked(this.replica.host, this.source.host);
  }

  get isSilent(): boolean {
    return !this.source.life.runs || this.#forthCut;
  }

  pump(): void {
    const { source, replica } = this;
    if (this.#busy || !this.open || !this.alive || !source.life.alive) return;
    const { world, net } = source.around;
    if (source.life.paused) {
      this.#busy = true;
      return void world.after(0, source.life, () => {
        this.#busy = false;
        this.pump();
      });
    }
    const { binlog } = source.data;
    let at = this.position;
    const batch: Trx[] = [];
    while (at < binlog.length && batch.length < BATCH) {
      const trx = binlog[at++] as Trx;
      if (!replica.has(trx)) batch.push(trx);
    }
    if (batch.length === 0) {
      this.position = at;
      return;
    }
    this.#busy = true;
    const wantsAck = this.semi && source.semi.enabled;
    const { slowMs } = replica.disk;
    const fsync = world.random.between(0.1, 0.6) + world.random.next() * slowMs;
    const large = batch.reduce((ms, trx) => ms + trx.heavyMs / 4, 0);
    const synced = (): void => {
      this.#busy = false;
      // The receiver ended, and with that it synced what it had.
      if (!this.open) return;
      replica.receiver.sync();
      this.position = at;
      if (wantsAck) this.#acknowledge(at);
      this.pump();
    };
    const deliver = (): void => {
      if (!this.open) {
        this.#busy = false;
        return;
      }
      const again = (): void => void world.after(0, replica.life, deliver);
      if (this.#forthCut) return net.onHeal(source.host, replica.host, again);
      if (replica.disk.full) {
        replica.receiver.stalled = again;
        return;
      }
      this.silentMs = 0;
      this.#unheard = this.#backCut ? this.#unheard + batch.length : 0;
      replica.receiver.written(batch);
      // Between the write and its fsync lies what a power cut tears off: worth an event where it takes long.
      if (slowMs > 0) world.after(fsync, replica.life, synced);
      else synced();
    };
    world.after(net.latency() + large + (slowMs > 0 ? 0 : fsync), replica.life, deliver);
  }

  #acknowledge(pos: number): void {
    const { source, replica } = this;
    const { world, net, witness } = source.around;
    witness.acknowledging(this);
    const arrive = (): void => {
      if (!this.alive) return;
      if (this.#backCut)
        return net.onHeal(source.host, replica.host, () => world.after(0, source.life, arrive));
      this.#unheard = 0;
      source.acknowledged(this, pos);
    };
    const ms = net.latency();
    this.#lastAckAt = Math.max(this.#lastAckAt, world.now + ms);
    world.after(ms, source.life, arrive);
  }

  /** The replica's end closes; the source notices when it hears of it. */
  close(): void {
    if (!this.open) return;
    this.open = false;
    const { source, replica } = this;
    const { world, net } = source.around;
    const arrive = (): void => {
      if (this.#backCut)
        return net.onHeal(source.host, replica.host, () => world.after(0, source.life, arrive));
      this.alive = false;
      source.dropDump(this);
    };
    const ms = Math.max(net.latency(), this.#lastAckAt - world.now);
    world.after(ms, source.life, arrive);
  }

  /** KILL of the dump thread. */
  killed(): void {
    this.alive = false;
    this.source.dropDump(this);
    this.#tellReplica();
  }

  sourceDied(): void {
    this.alive = false;
    this.#tellReplica();
  }

  #tellReplica(): void {
    const { source, replica } = this;
    const { world, net } = source.around;
    // Silently cut: the replica's watchdog finds out.
    world.after(net.latency() + 1, replica.life, () => {
      if (!this.#forthCut) replica.receiver.lost(this);
    });
  }
}

export class Receiver {
  readonly server: SimServer;
  io: "Yes" | "No" | "Connecting" = "No";
  ioErrno = 0;
  sql = false;
  sqlErrno = 0;
  /** STOPs under way. */
  stopping = 0;
  flag = false;
  /** Rpl_semi_sync_replica_status. */
  active = false;
  lastQueued = "";
  stream: Stream | null = null;
  stalled: (() => void) | null = null;
  #token = 0;
  #applying = false;

  constructor(server: SimServer) {
    this.server = server;
  }

  startIo(): void {
    const { data } = this.server;
    if (this.io !== "No" || data.source === null) return;
    this.io = "Connecting";
    this.ioErrno = 0;
    this.#connect(++this.#token, 0);
  }

  /** STOP REPLICA IO_THREAD, at its end. */
  stopIo(): void {
    this.#token += 1;
    this.io = "No";
    this.active = false;
    this.stream?.close();
    this.stream = null;
    this.sync();
  }

  /** How long STOP REPLICA IO_THREAD takes: a hung host is given up after 2 s (measured). */
  stopMs(): number {
    const { world, serverAt, net } = this.server.around;
    const host = this.server.data.source?.host ?? "";
    const silent = net.isCut(this.server.host, host) || serverAt(host)?.life.paused === true;
    if (this.io === "Connecting" && silent) return 2_000;
    const { stopMs } = this.server.disk;
    if (stopMs > 0) world.saw("receiver slow to stop");
    return world.random.between(0.5, 15) + world.random.next() * stopMs;
  }

  died(): void {
    this.stream?.close();
  }

  lost(stream: Stream): void {
    if (this.stream !== stream) return;
    stream.open = false;
    stream.alive = false;
    this.stream = null;
    this.io = "Connecting";
    this.active = false;
    this.ioErrno = 2013;
    this.#connect(++this.#token, 0);
  }

  /** In the relay log, not synced yet. */
  written(batch: readonly Trx[]): void {
    const { data } = this.server;
    for (const trx of batch) {
      if (this.server.has(trx)) continue;
      data.relay.push(trx);
      data.retrieved.add(trx.uuid, trx.n);
      this.lastQueued = `${trx.uuid}:${trx.n}`;
    }
  }

  sync(): void {
    const { data } = this.server;
    data.synced = data.relay.length;
    this.apply();
  }

  pumpAgain(): void {
    const { stalled } = this;
    this.stalled = null;
    stalled?.();
  }

  #connect(token: number, afterMs: number): void {
    const { server } = this;
    const { world, net, serverAt } = server.around;
    world.after(afterMs + 2 * net.latency(), server.life, () => {
      const { source } = server.data;
      if (token !== this.#token || source === null) return;
      const again = (errno: number, ms: number): void => {
        this.ioErrno = errno;
        this.#connect(token, ms);
      };
      const there = serverAt(source.host);
      if (net.isCut(server.host, source.host)) return again(2003, SILENT_MS + RETRY_MS);
      if (there === null || !there.ready || there.stopping) return again(2003, RETRY_MS);
      if (there.life.paused) return again(2013, SILENT_MS + RETRY_MS);
      const locked = there.data.accounts.get(source.serverId);
      if (there.offline) return again(3032, RETRY_MS);
      if (there.aclLocked) return again(2013, SILENT_MS + RETRY_MS);
      if (locked === undefined) return again(1045, RETRY_MS);
      if (locked) return again(3118, RETRY_MS);
      const missing = there.data.purged.missingIn(held(server));
      if (missing !== null || there.data.uuid === server.data.uuid) {
        this.io = "No";
        this.ioErrno = missing === null ? 13_117 : 13_114;
        return;
      }
      this.#connected(there);
    });
  }

  #connected(there: SimServer): void {
    this.io = "Yes";
    this.ioErrno = 0;
    this.active = this.flag;
    const stream = new Stream(there, this.server, this.flag);
    this.stream = stream;
    there.addDump(stream);
    this.#watch(stream);
    stream.pump();
  }

  #watch(stream: Stream): void {
    this.server.around.world.after(WATCHDOG_MS, this.server.life, () => {
      if (this.stream !== stream) return;
      // A protocol heartbeat each 0.5 s, from whoever runs and is reached.
      stream.silentMs = stream.isSilent ? stream.silentMs + WATCHDOG_MS : 0;
      if (stream.silentMs >= SILENT_MS) return this.lost(stream);
      this.#watch(stream);
    });
  }

  startSql(): void {
    this.sql = true;
    this.sqlErrno = 0;
    this.apply();
  }

  stopSql(): void {
    this.sql = false;
  }

  apply(): void {
    const { server } = this;
    const { data, disk, around } = server;
    if (this.#applying || !this.sql || data.applied >= data.synced) return;
    this.#applying = true;
    if (disk.applyMs > 0) around.world.saw("applier slow");
    const heavyMs = data.relay[data.applied]?.heavyMs ?? 0;
    if (heavyMs > 0) around.world.saw("long transaction");
    const ms = around.world.random.between(0.2, 1.5) + disk.applyMs + heavyMs;
    around.world.after(ms, server.life, () => this.#applySome(disk.applyMs > 0 ? 1 : BATCH, true));
  }

  #applySome(left: number, first: boolean): void {
    const { data, disk, around } = this.server;
    const trx = data.applied < data.synced ? data.relay[data.applied] : undefined;
    if (trx !== undefined && disk.applierBroken) {
      around.world.saw("applier stopped");
      this.sql = false;
      this.sqlErrno = LOCK_WAIT_TIMEOUT;
      this.#applying = false;
      return;
    }
    // A large one is waited for by itself.
    const large = trx !== undefined && trx.heavyMs > 0 && !first;
    if (trx === undefined || left === 0 || large || !this.sql || disk.full) {
      this.#applying = false;
      if (disk.full) around.world.after(200, this.server.life, () => this.apply());
      else this.apply();
      return;
    }
    if (data.executed.has(trx.uuid, trx.n)) {
      data.applied += 1;
      return this.#applySome(left - 1, false);
    }
    // Recovery of this replica may find it in its own binlog: then it is applied already.
    this.server.log(trx, () => {
      data.applied += 1;
      this.#applySome(left - 1, false);
    });
  }

  /** CHANGE REPLICATION SOURCE: deletes what was received when nothing runs (S14). */
  change(source: { host: string; port: number; serverId: number }): void {
    const { data } = this.server;
    if (!this.sql) this.discard();
    data.source = source;
  }

  /** RESET REPLICA ALL. */
  reset(): void {
    this.discard();
    this.server.data.source = null;
    this.sqlErrno = 0;
    this.lastQueued = "";
  }

  discard(): void {
    const { data, around } = this.server;
    const left = data.relay.slice(data.applied).filter((t) => !data.executed.has(t.uuid, t.n));
    if (left.length > 0) around.witness.discarded(this.server, left);
    data.relay = [];
    data.synced = 0;
    data.applied = 0;
    data.retrieved = new Gtids();
  }

  lagSeconds(): number | null {
    const { data, around } = this.server;
    if (!this.sql) return null;
    const next = data.relay[data.applied];
    if (next === undefined) return this.io === "Yes" ? 0 : null;
    return Math.floor((around.world.now - next.at) / 1_000);
  }
}

/** Retrieved ∪ Executed. */
export function held(server: SimServer): Gtids {
  const all = server.data.executed.copy();
  all.addAll(server.data.retrieved);
  return all;
}
