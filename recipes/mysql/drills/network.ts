// The network of a local drill: TCP relays at the addresses that the nodes advertise. A relay knows who connects through
// it (sockets.ts), so links between any two parties can be cut, one direction or both, without root and without a
// reset: silence, as from a pulled cable.
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Address, Way } from "../../../src/index.ts";
import { NOTHING, Relay, type Cutting } from "./relay.ts";
import { isListening, isOwned, socketOf } from "./sockets.ts";

/** Names of nodes, "consul", or "client": everybody who is no process of the cluster. */
export type Party = string;
/** One direction. */
export type Link = { readonly from: Party; readonly to: Party };

export const CLIENT: Party = "client";
export const CONSUL: Party = "consul";

/** What becomes of the connections that a cut froze: both happen in reality. */
export type Healing = "flow" | "reset";

type Cut = { readonly links: readonly Link[] };

type Open = {
  readonly way: Way;
  readonly from: Party;
  readonly relay: Relay;
};

export type NetworkParts = {
  readonly ways: readonly Way[];
  /** Pids of each node's processes, found again at each call. */
  readonly pidsOf: () => ReadonlyMap<Party, readonly number[]>;
};

const DISGUISES = "127.0.2";
const QUESTION = "GET /v1/status/leader HTTP/1.0\r\n\r\n";
const SILENT_FOR_MS = 1_000;
// A listener that is gone is noticed when its connections end; one that is there again is looked for.
const LOOK_EVERY_MS = 25;

export function bothWays(one: Party, other: Party): readonly Link[] {
  return [
    { from: one, to: other },
    { from: other, to: one },
  ];
}

export class Network implements AsyncDisposable {
  readonly #parts: NetworkParts;
  readonly #doors: readonly Door[];
  readonly #open = new Set<Open>();
  readonly #cuts = new Set<Cut>();
  #owners: ReadonlyMap<Party, readonly number[]> = new Map();
  readonly #disguised: Party[] = [];
  readonly #timer: NodeJS.Timeout;
  #over = false;

  private constructor(parts: NetworkParts) {
    this.#parts = parts;
    this.#doors = parts.ways.map(
      (way) => new Door(way, (socket) => void this.#accept(way, socket)),
    );
    this.#timer = setInterval(() => {
      for (const door of this.#doors) if (!door.isOpen) void this.#tend(door);
    }, LOOK_EVERY_MS);
  }

  /** Relays on all ways; each listens while its target does, so that a dead server refuses, as on a live host. */
  static async start(parts: NetworkParts): Promise<Network> {
    const network = new Network(parts);
    await network.#look();
    return network;
  }

  /** Cuts these links until the answer is called, which says what becomes of what was frozen. */
  cut(links: readonly Link[]): (healing: Healing) => void {
    const cut: Cut = { links };
    this.#cuts.add(cut);
    this.#apply();
    void this.#look();
    return (healing) => {
      if (!this.#cuts.delete(cut)) return;
      const touched = [...this.#open].filter(({ from, way }) => hits(cut, from, way.to));
      if (healing === "reset") {
        for (const { relay } of touched) relay.reset();
      }
      this.#apply();
    };
  }

  /**
   * Whether a new connection of `from`, as far as the relays can tell, is met with silence: neither a byte nor a refusal.
   * A server greets whoever connects; Consul is asked something.
   */
  hangs(from: Party, to: Party): Promise<boolean> {
    const way = this.#parts.ways.find((one) => one.to === to && (one.from ?? from) === from);
    if (way === undefined) return Promise.resolve(false);
    return silent(way.at, this.addressOf(from), to === CONSUL ? QUESTION : "");
  }

  /** The connections from one party to another that are open now. */
  count(from: Party, to: Party): number {
    return [...this.#open].filter((open) => open.from === from && open.way.to === to).length;
  }

  #apply(): void {
    for (const { relay, from, way } of this.#open) relay.set(this.#cutting(from, way.to));
  }

  #cutting(client: Party, server: Party): Cutting {
    if (this.#cuts.size === 0) return NOTHING;
    return {
      fromClient: [...this.#cuts].some(({ links }) => has(links, client, server)),
      fromServer: [...this.#cuts].some(({ links }) => has(links, server, client)),
    };
  }

  /** The socket was accepted and is paused: its bytes wait until it is known whose they are. */
  async #accept(way: Way, client: Socket): Promise<void> {
    client.on("error", () => undefined); // the relay tells the other end
    const from = way.from ?? (await this.#whoIs(client));
    if (this.#over) return void client.resetAndDestroy();
    const open: Open = {
      way,
      from,
      relay: new Relay({
        client,
        target: way.target,
        cut: this.#cutting(from, way.to),
        onOver: () => this.#open.delete(open),
        onLost: () => this.#tendTo(way),
      }),
    };
    this.#open.add(open);
  }

  /**
   * A loopback address that stands for the party: whoever connects from it is known at once. Looking a connection up in
   * the kernel's list takes milliseconds, which is for the cluster's own processes, that connect seldom.
   */
  addressOf(party: Party): string {
    if (!this.#disguised.includes(party)) this.#disguised.push(party);
    return `${DISGUISES}.${1 + this.#disguised.indexOf(party)}`;
  }

  async #whoIs(client: Socket): Promise<Party> {
    const { remoteAddress } = client;
    const disguised = this.#disguised.find((party) => this.addressOf(party) === remoteAddress);
    if (disguised !== undefined) return disguised;
    const peer = endOf(remoteAddress, client.remotePort);
    const here = endOf(client.localAddress, client.localPort);
    const socket = peer === null || here === null ? null : await socketOf(peer, here);
    if (socket === null) return CLIENT;
    const find = (): Party | null =>
      [...this.#owners].find(([, pids]) => isOwned(socket, pids))?.[0] ?? null;
    const known = find();
    if (known !== null) return known;
    // Perhaps of a process that has come since the last look.
    this.#owners = this.#parts.pidsOf();
    return find() ?? CLIENT;
  }

  /** Each door is open while its target listens; and while it is cut off from somebody: then it is silent, not closed. */
  async #look(): Promise<void> {
    await Promise.all(this.#doors.map((door) => this.#tend(door)));
  }

  #tendTo(way: Way): void {
    for (const door of this.#doors) if (door.way === way) void this.#tend(door);
  }

  async #tend(door: Door): Promise<void> {
    const { to, target } = door.way;
    const isCut = [...this.#cuts].some(({ links }) =>
      links.some((link) => link.from === to || link.to === to),
    );
    const open = isCut || (await isListening(target));
    if (!this.#over) await door.set(open);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    clearInterval(this.#timer);
    this.#cuts.clear();
    for (const { relay } of this.#open) relay.reset();
    await Promise.all(this.#doors.map((door) => door.set(false)));
  }
}

/** One listening address, open or closed. */
class Door {
  readonly way: Way;
  readonly #accept: (socket: Socket) => void;
  #server: Server | null = null;
  #moving: Promise<void> = Promise.resolve();
  #wanted = false;

  constructor(way: Way, accept: (socket: Socket) => void) {
    this.way = way;
    this.#accept = accept;
  }

  get isOpen(): boolean {
    return this.#wanted;
  }

  set(open: boolean): Promise<void> {
    if (open === this.#wanted) return this.#moving;
    this.#wanted = open;
    this.#moving = this.#moving.then(() => (open ? this.#listen() : this.#close()));
    return this.#moving;
  }

  async #listen(): Promise<void> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, this.#accept);
    server.listen({ ...this.way.at, exclusive: true });
    await once(server, "listening");
    this.#server = server;
  }

  /** New connections are refused from now on; those that are open end by themselves. */
  async #close(): Promise<void> {
    this.#server?.close();
    this.#server = null;
    await Promise.resolve();
  }
}

function silent(at: Address, localAddress: string, question: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ ...at, localAddress });
    const done = (answer: boolean): void => {
      clearTimeout(limit);
      socket.destroy();
      resolve(answer);
    };
    const limit = setTimeout(() => done(true), SILENT_FOR_MS);
    if (question !== "") socket.write(question);
    for (const event of ["data", "error", "end"]) socket.on(event, () => done(false));
  });
}

function has(links: readonly Link[], from: Party, to: Party): boolean {
  return links.some((link) => link.from === from && link.to === to);
}

function hits({ links }: Cut, one: Party, other: Party): boolean {
  return has(links, one, other) || has(links, other, one);
}

function endOf(host: string | undefined, port: number | undefined): Address | null {
  return host === undefined || port === undefined ? null : { host, port };
}
