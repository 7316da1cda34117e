// How an agent's statement reaches its simulated mysqld: over a connection with a limit in time. A stopped server
// executes what it was sent when it goes on, also when nobody waits for the answer any more. A dead one answers at once.
import { UnavailableError } from "../../src/errors.ts";
import type { SimServer } from "./sim-server.ts";
import type { Life } from "./world.ts";

/** One use of a connection: over when its limit passed, its server died, or its work ended. */
export type Use = { over: boolean };

export class Connection {
  readonly server: SimServer;
  readonly agent: Life;

  constructor(server: SimServer, agent: Life) {
    this.server = server;
    this.agent = agent;
  }

  /** Errors: AP_MYSQLD_TIMEOUT after `limitMs`, AP_MYSQLD_EXITED. */
  use<T>(limitMs: number, work: (use: Use) => Promise<T>): Promise<T> {
    const { server, agent } = this;
    const { world } = server.around;
    return new Promise<T>((resolve, reject) => {
      const use: Use = { over: false };
      const gone = (): void => {
        if (use.over) return;
        end();
        const error = new UnavailableError("AP_MYSQLD_EXITED", "mysqld is gone");
        world.after(0.05, agent, () => reject(error));
      };
      const timer = world.after(limitMs, agent, () => {
        end();
        reject(new UnavailableError("AP_MYSQLD_TIMEOUT", `no answer within ${limitMs} ms`));
      });
      const end = (): void => {
        use.over = true;
        world.cancel(timer);
        server.onEnd.delete(gone);
      };
      if (!server.life.alive) return gone();
      server.onEnd.add(gone);
      work(use).then(
        (value) => {
          end();
          resolve(value);
        },
        (error: unknown) => {
          end();
          reject(error as Error);
        },
      );
    });
  }

  /** A look that changes nothing: as `use` of one statement, at a fraction of its cost. */
  look<T>(limitMs: number, read: () => T): Promise<T> {
    const { server, agent } = this;
    const { world } = server.around;
    return new Promise((resolve, reject) => {
      const exited = (): void => reject(new UnavailableError("AP_MYSQLD_EXITED", "mysqld is gone"));
      const late = (): void =>
        reject(new UnavailableError("AP_MYSQLD_TIMEOUT", `no answer within ${limitMs} ms`));
      world.after(world.random.between(0.05, 0.25), null, () => {
        if (!server.life.alive) this.#back(exited);
        else if (server.life.paused) world.after(limitMs, agent, late);
        else {
          const value = read();
          this.#back(() => resolve(value));
        }
      });
    });
  }

  /** One statement. After the use is over nothing more is sent. */
  sql<T>(use: Use, statement: () => T): Promise<T> {
    const { server } = this;
    const { world } = server.around;
    return new Promise((resolve, reject) => {
      if (use.over) return;
      world.after(world.random.between(0.05, 0.25), server.life, () => {
        try {
          const value = statement();
          this.#back(() => resolve(value));
        } catch (error) {
          this.#back(() => reject(error as Error));
        }
      });
    });
  }

  /** A statement that answers later, by `done`. */
  wait<T>(
    use: Use,
    statement: (done: (value: T) => void, fail: (error: Error) => void) => void,
  ): Promise<T> {
    const { server } = this;
    const { world } = server.around;
    return new Promise((resolve, reject) => {
      if (use.over) return;
      world.after(world.random.between(0.05, 0.25), server.life, () =>
        statement(
          (value) => this.#back(() => resolve(value)),
          (error) => this.#back(() => reject(error)),
        ),
      );
    });
  }

  /** Asks again every 10 ms until it holds. */
  async until(use: Use, holds: () => boolean): Promise<void> {
    while (!(await this.sql(use, holds))) await this.pause(10);
  }

  pause(ms: number): Promise<void> {
    return this.server.around.world.wait(ms, this.agent);
  }

  #back(tell: () => void): void {
    if (this.agent.runs) tell();
    else this.server.around.world.after(0, this.agent, tell);
  }
}

export function refused(why: string): UnavailableError {
  return new UnavailableError("AP_VERB_FAILED", why);
}
