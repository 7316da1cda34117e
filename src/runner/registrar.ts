// What the catalogue should know of our services: for each the last word counts, one request at a time. A catalogue that
// forgot a service (its agent was restarted, somebody deregistered it) gets it again with the next word.
import type { ServiceStatus } from "../core/runner/event.ts";
import type { Job } from "../core/runner-config.ts";
import { ConflictError, messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Clock, Directory } from "../ports.ts";

export type RegistrarParts = {
  readonly directory: Directory | null;
  readonly hostname: string;
  /** The address that a service advertises. */
  readonly addressOf: (job: string) => string;
  readonly clock: Clock;
  readonly log: Log;
  readonly onWithdrawn: (job: string) => void;
};

export type Registrar = {
  advertise(job: Job, status: ServiceStatus): void;
  /** Answers by `onWithdrawn`, also when the catalogue does not. */
  withdraw(job: string): void;
  /** Another catalogue from now on: the services leave the old one. */
  moveTo(directory: Directory | null): Promise<void>;
};

type Word = { readonly job: Job; readonly status: ServiceStatus } | "withdrawn";

export function makeRegistrar(parts: RegistrarParts): Registrar {
  const complain = complainer(parts);
  const announcements = new Map<string, Announcement>();
  let { directory } = parts;

  function of(name: string): Announcement {
    const known = announcements.get(name);
    if (known !== undefined) return known;
    const made = new Announcement(name, { ...parts, complain, directory: () => directory });
    announcements.set(name, made);
    return made;
  }

  return {
    advertise: (job, status) => of(job.name).say({ job, status }),
    withdraw: (job) => of(job).say("withdrawn"),
    async moveTo(next) {
      const old = directory;
      directory = next;
      for (const one of announcements.values()) await one.move(old);
    },
  };
}

const REPEAT_MS = 60_000;

/** The same failure, of whichever service, once a minute. */
function complainer({ clock, log }: RegistrarParts) {
  let told = { what: "", at: -Infinity };
  return (name: string, error: unknown): void => {
    const what = messageOf(error);
    if (what === told.what && clock.now() - told.at < REPEAT_MS) return;
    told = { what, at: clock.now() };
    log.warn(`service ${name}: ${what}`, { job: name });
  };
}

type AnnouncementParts = Omit<RegistrarParts, "directory"> & {
  readonly directory: () => Directory | null;
  readonly complain: (name: string, error: unknown) => void;
};

/** One service's place in the catalogue. */
class Announcement {
  readonly #name: string;
  readonly #id: string;
  readonly #parts: AnnouncementParts;
  #wanted: Word = "withdrawn";
  /** Counts the words; what was done last has number `#done`. */
  #said = 0;
  #done = 0;
  #working = false;
  /** As what the catalogue has it, as far as we know. */
  #registered: Job | null = null;
  /** It may be in the catalogue: a registration was sent, and no deregistration answered since. */
  #mayBeThere = false;

  constructor(name: string, parts: AnnouncementParts) {
    this.#name = name;
    this.#id = `${name}-${parts.hostname}`;
    this.#parts = parts;
  }

  say(word: Word): void {
    this.#wanted = word;
    this.#said += 1;
    if (!this.#working) void this.#work();
  }

  async move(old: Directory | null): Promise<void> {
    const was = this.#registered;
    this.#registered = null;
    if (was === null || old === null) return;
    try {
      await old.deregister(this.#id);
    } catch (error) {
      this.#parts.complain(this.#name, error); // there its TTL will end it
    }
    if (this.#wanted !== "withdrawn") this.say(this.#wanted);
  }

  async #work(): Promise<void> {
    this.#working = true;
    while (this.#done < this.#said) {
      const [word, number] = [this.#wanted, this.#said];
      try {
        const directory = this.#parts.directory();
        if (directory !== null) {
          if (word === "withdrawn") await this.#leave(directory);
          else await this.#tell(directory, word);
        }
      } catch (error) {
        this.#parts.complain(this.#name, error); // the next check, or the TTL, is the next try
      }
      this.#done = number;
      if (word === "withdrawn") this.#parts.onWithdrawn(this.#name);
    }
    this.#working = false;
  }

  async #leave(directory: Directory): Promise<void> {
    if (!this.#mayBeThere) return;
    this.#registered = null;
    await directory.deregister(this.#id);
    this.#mayBeThere = false;
  }

  async #tell(directory: Directory, { job, status }: Exclude<Word, string>): Promise<void> {
    if (job.service === null) return;
    // Nobody was sent there yet: a service appears with its first passing check, unless it says otherwise.
    const isUnborn = !this.#mayBeThere && job.service.initialStatus === null;
    if (isUnborn && status === "critical") return;
    if (this.#registered === job && (await this.#report(directory, status))) return;
    this.#mayBeThere = true;
    this.#registered = null;
    const { port, tags, enableTagOverride, deregisterCriticalServiceAfter } = job.service;
    const address = this.#parts.addressOf(this.#name);
    const ttl = Math.ceil((job.health?.ttlMs ?? 0) / 1_000) || null;
    const service = { id: this.#id, name: this.#name, address, port, tags, meta: {} };
    const dropAfter = deregisterCriticalServiceAfter;
    await directory.register(service, ttl, {
      status,
      ...(enableTagOverride ? { enableTagOverride } : {}),
      ...(dropAfter === null ? {} : { dropAfter }),
    });
    this.#registered = job;
  }

  /** False: the catalogue does not know it. */
  async #report(directory: Directory, status: ServiceStatus): Promise<boolean> {
    try {
      await directory.report(this.#id, status, status === "passing" ? "ok" : status);
      return true;
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      const job = this.#name;
      this.#parts.log.info(`service ${job}: forgotten by the catalogue, registered again`, { job });
      return false;
    }
  }
}
