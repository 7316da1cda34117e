// The parent of one process at a time. The child has a session of its own, so that no signal of a terminal reaches it
// but through us; it dies with us (setpriv.ts); its exit is collected at once. Nothing is restarted here: whether and
// when is the recipe's decision.
import type { ChildProcess } from "node:child_process";
import { UnavailableError, invariant } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Clock } from "../ports.ts";
import { launch, signalGroup, type ChildSpec } from "./launch.ts";
import { hasLifeline } from "./setpriv.ts";

export type { ChildSpec } from "./launch.ts";

/** A failed start is an outcome: the error says which program and why (AP_SPAWN_FAILED). */
export type Started =
  | { readonly ok: true; readonly pid: number; readonly incarnation: number }
  | { readonly ok: false; readonly error: UnavailableError };

export type ChildExit = {
  readonly code: number | null;
  readonly signal: string | null;
  readonly incarnation: number;
  /** How long it ran, ms. */
  readonly afterMs: number;
  /** "exit code 1 after 3.2 s". */
  readonly says: string;
};

export type ChildFacts = {
  readonly running: boolean;
  /** Grows by one with each start; 0 before the first. */
  readonly incarnation: number;
  readonly pid: number | null;
  /** How the last one ended, or null. */
  readonly lastExit: string | null;
};

export interface Supervised extends AsyncDisposable {
  /** Throws InvariantError when a child runs already. */
  start(child: ChildSpec): Promise<Started>;
  /** SIGTERM (unless told not to), SIGKILL after `graceMs`; resolves when it is gone, at once when there is none. */
  stop(how: { readonly termFirst: boolean; readonly graceMs: number }): Promise<void>;
  /** SIGKILL to the child and its process group, now. */
  kill(): void;
  facts(): ChildFacts;
  /** Resolves with the end of the child that runs now; null when none runs. */
  exited(): Promise<ChildExit | null>;
}

export type Supervise = (spec: {
  /** The name in messages: "mysqld". */
  readonly name: string;
  /** Called at once when a child ended, before `exited()` resolves. Must not throw. */
  readonly onExit?: (exit: ChildExit) => void;
}) => Supervised;

type Parts = { readonly clock: Clock; readonly log: Log };

export function makeSupervise(parts: Parts): Supervise {
  return ({ name, onExit }) => new Supervisor(name, parts, onExit ?? (() => {}));
}

class Supervisor implements Supervised {
  readonly #name: string;
  readonly #parts: Parts;
  readonly #onExit: (exit: ChildExit) => void;
  #child: ChildProcess | null = null;
  #ended: Promise<ChildExit> | null = null;
  #incarnation = 0;
  #lastExit: string | null = null;
  #starting = false;
  /** Killed between `start` and the spawn: what was to be killed must not come up a moment later. */
  #unwanted = false;

  constructor(name: string, parts: Parts, onExit: (exit: ChildExit) => void) {
    this.#name = name;
    this.#parts = parts;
    this.#onExit = onExit;
  }

  async start(spec: ChildSpec): Promise<Started> {
    const running = this.#starting || this.#child !== null;
    invariant(!running, "AP_BUG_INVARIANT", `${this.#name} is running already`);
    this.#starting = true;
    this.#unwanted = false;
    try {
      await this.#warnOfOrphans();
      const launched = await launch(this.#name, spec);
      if (!launched.ok) return launched;
      this.#watch(launched.child, (this.#incarnation += 1));
      if (!this.#unwanted) return { ok: true, pid: launched.pid, incarnation: this.#incarnation };
      this.kill();
      const why = `start ${this.#name}: killed while it started`;
      return { ok: false, error: new UnavailableError("AP_SPAWN_FAILED", why) };
    } finally {
      this.#starting = false;
    }
  }

  async stop(how: { termFirst: boolean; graceMs: number }): Promise<void> {
    if (this.#child === null || this.#ended === null) return this.kill();
    const over = new AbortController();
    const gone = this.#ended.finally(() => over.abort());
    if (how.termFirst) {
      this.#child.kill("SIGTERM");
      // Ends by the abort when the child is gone: then there is nothing left to kill.
      await this.#parts.clock.sleep(how.graceMs, over.signal).catch(() => undefined);
    }
    this.kill();
    await gone;
  }

  kill(): void {
    this.#unwanted = true;
    // The whole group: what the child started goes with it. Not yet collected, so the number cannot be another's.
    if (this.#child?.pid !== undefined) signalGroup(this.#child.pid, "SIGKILL");
  }

  facts(): ChildFacts {
    return {
      running: this.#child !== null,
      incarnation: this.#incarnation,
      pid: this.#child?.pid ?? null,
      lastExit: this.#lastExit,
    };
  }

  async exited(): Promise<ChildExit | null> {
    return this.#child === null ? null : await this.#ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop({ termFirst: false, graceMs: 0 });
  }

  #watch(child: ChildProcess, incarnation: number): void {
    const startedAt = this.#parts.clock.now();
    this.#child = child;
    child.on("error", (err) => this.#parts.log.warn(`${this.#name}: signal not sent`, { err }));
    this.#ended = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        const afterMs = this.#parts.clock.now() - startedAt;
        const how = signal === null ? `exit code ${code}` : `killed by ${signal}`;
        const says = `${how} after ${(afterMs / 1000).toFixed(1)} s`;
        const exit = { code, signal, incarnation, afterMs, says };
        this.#child = null;
        this.#lastExit = says;
        this.#onExit(exit);
        resolve(exit);
      });
    });
  }

  async #warnOfOrphans(): Promise<void> {
    if (warned || (await hasLifeline())) return;
    warned = true;
    this.#parts.log.warn(`no setpriv of util-linux: ${this.#name} would outlive a killed agent`);
  }
}

// Said once per process.
let warned = false;
