// The one mysqld of this node as the recipe holds it: the supervised process and the connection to it.
// Connecting is tried in the background while the process runs, so that no tick ever waits for a server that starts.
import type { Clock, Log, Supervised } from "../../src/index.ts";
import { messageOf } from "../../src/index.ts";
import type { ProcessFacts, ServerFacts } from "./core/observation.ts";
import type { Mysqld } from "./mysqld/port.ts";

type Parts = {
  readonly process: Supervised;
  readonly clock: Clock;
  readonly log: Log;
  readonly wake: () => void;
  /** Opens the standing admin connection; fails while the server is not ready. */
  readonly connect: () => Promise<Mysqld>;
};

/** Between two tries to connect: a start takes about half a second, so this adds little. */
const CONNECT_EVERY_MS = 50;

export class Handle implements AsyncDisposable {
  readonly #parts: Parts;
  #mysqld: Mysqld | null = null;
  #of = 0;
  #connecting = false;
  #lookError: string | null = null;
  #silentSince: number | null = null;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  process(): Supervised {
    return this.#parts.process;
  }

  processFacts(restartAt: number): ProcessFacts {
    return { ...this.#parts.process.facts(), restartAt, silentSince: this.#silentSince };
  }

  /** The connection to the incarnation that runs now; null while there is none. */
  connection(): Mysqld | null {
    const { running, incarnation } = this.#parts.process.facts();
    return running && this.#of === incarnation ? this.#mysqld : null;
  }

  /** One look; null when there is no server, or it does not answer within the connection's own limit. */
  async look(): Promise<ServerFacts | null> {
    const { running, incarnation } = this.#parts.process.facts();
    if (!running) {
      await this.#drop();
      return null;
    }
    if (this.#of !== incarnation) {
      await this.#drop();
      this.#of = incarnation;
    }
    if (this.#mysqld === null) {
      this.#connectSoon(incarnation);
      return null;
    }
    try {
      const facts = await this.#mysqld.observe();
      this.#lookError = null;
      this.#silentSince = null;
      return facts;
    } catch (error) {
      const why = messageOf(error);
      // Said once per reason: a server that hangs is asked again and again.
      if (why !== this.#lookError) this.#parts.log.warn("mysqld does not answer", { why });
      this.#lookError = why;
      this.#silentSince ??= this.#parts.clock.now();
      return null;
    }
  }

  #connectSoon(incarnation: number): void {
    if (this.#connecting) return;
    this.#connecting = true;
    void this.#connect(incarnation).finally(() => {
      this.#connecting = false;
      this.#parts.wake();
    });
  }

  async #connect(incarnation: number): Promise<void> {
    const current = () => {
      const facts = this.#parts.process.facts();
      return facts.running && facts.incarnation === incarnation;
    };
    while (current()) {
      try {
        const mysqld = await this.#parts.connect();
        if (current() && this.#of === incarnation) this.#mysqld = mysqld;
        else await mysqld[Symbol.asyncDispose]();
        return;
      } catch (error) {
        // A server that starts refuses connections until it is ready: the next try says whether it is.
        this.#parts.log.debug("mysqld is not ready", { why: messageOf(error) });
        await this.#parts.clock.sleep(CONNECT_EVERY_MS);
      }
    }
  }

  /** Closes our connections before an orderly stop; the next look opens new ones. */
  async disconnect(): Promise<void> {
    await this.#drop();
  }

  async #drop(): Promise<void> {
    const mysqld = this.#mysqld;
    this.#mysqld = null;
    this.#silentSince = null;
    if (mysqld !== null) await mysqld[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#drop();
  }
}
