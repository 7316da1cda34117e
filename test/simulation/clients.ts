// The application: writers that look for a writable server, write unique rows and remember each OK; a reader that
// remembers what a writable server showed. They reach every node that they are not cut off from, old primaries too.
import type { Judge } from "./judge.ts";
import type { Session, SimServer, Surroundings } from "./sim-server.ts";

export const CLIENT = "client";

/** A driver's own limit. */
const GIVE_UP_MS = 8_000;

export type Load = {
  readonly writers: number;
  /** Between two writes of one of them: while something happens, and else where that differs. */
  readonly thinkMs: number;
  readonly quietMs?: number;
  readonly readEveryMs: number;
};

export class Clients {
  readonly around: Surroundings;
  readonly judge: Judge;
  readonly hosts: () => readonly string[];
  #next = 1;
  lastOkAt = 0;
  oks = 0;
  /** The next write is a large transaction, which takes a replica this long. */
  nextHeavyMs = 0;
  /** Until when something happens. */
  busyUntil = 0;

  constructor(around: Surroundings, judge: Judge, hosts: () => readonly string[]) {
    this.around = around;
    this.judge = judge;
    this.hosts = hosts;
  }

  start(load: Load): void {
    const { world } = this.around;
    for (let writer = 0; writer < load.writers; writer++)
      world.after(world.random.between(0, load.thinkMs), null, () => this.#seek(load));
    world.after(load.readEveryMs, null, () => this.#read(load));
  }

  #seek(load: Load): void {
    const { world, net, serverAt } = this.around;
    const open = this.hosts().filter((host) => {
      const server = serverAt(host);
      return server !== null && !server.readOnly && !net.isCut(CLIENT, host) && server.life.runs;
    });
    if (open.length === 0) {
      world.after(world.random.between(100, 400), null, () => this.#seek(load));
      return;
    }
    const server = serverAt(world.random.pick(open));
    if (server === null || server.refusesClient() !== null) {
      world.after(200, null, () => this.#seek(load));
      return;
    }
    let current = true;
    const session: Session = {
      alive: true,
      lost: () => {
        if (!current) return;
        current = false;
        server.sessions.delete(session);
        world.after(world.random.between(20, 200), null, () => this.#seek(load));
      },
    };
    server.sessions.add(session);
    this.#write(server, session, load, () => current);
  }

  #write(server: SimServer, session: Session, load: Load, current: () => boolean): void {
    const { world, net } = this.around;
    const what = this.#next++;
    const lost = (): void => {
      session.alive = false;
      session.lost();
    };
    world.after(net.latency(), server.life, () => {
      if (!session.alive || net.isCut(CLIENT, server.host)) return;
      const heavyMs = this.nextHeavyMs;
      this.nextHeavyMs = 0;
      server.submit({ kind: "data", what, heavyMs }, (trx) => {
        world.after(net.latency(), null, () => {
          if (!session.alive || !current()) return; // Cut: the client hears nothing.
          if (net.isCut(CLIENT, server.host)) return;
          if (trx === null) return lost();
          answered = true;
          this.oks += 1;
          this.lastOkAt = world.now;
          this.judge.acknowledged(server, trx);
          const { quietMs = load.thinkMs } = load;
          const thinkMs = world.now < this.busyUntil ? load.thinkMs : quietMs;
          world.after(thinkMs * (0.5 + world.random.next()), null, () => {
            if (session.alive && current()) this.#write(server, session, load, current);
          });
        });
        // What mysqld answers it has answered, whether or not the client lives to hear it.
        if (trx !== null && session.alive) this.judge.answered(server, trx);
      });
    });
    let answered = false;
    world.after(GIVE_UP_MS, null, () => {
      if (!answered) lost();
    });
  }

  #read(load: Load): void {
    const { world, net, serverAt } = this.around;
    for (const host of this.hosts()) {
      const server = serverAt(host);
      if (server === null || server.readOnly || !server.life.runs) continue;
      if (!net.isCut(CLIENT, host) && server.refusesClient() === null) this.judge.shown(server);
    }
    world.after(load.readEveryMs, null, () => this.#read(load));
  }
}
