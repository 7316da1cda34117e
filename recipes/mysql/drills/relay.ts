// One relayed connection of the drills' network. Each direction can be cut by itself: its bytes stay where they are, in
// the kernel's buffers and ours, and neither an end nor a reset gets through, as when a cable is pulled. What became of
// the other end is learnt when the direction flows again.
import { connect, type Socket } from "node:net";

type Address = { readonly host: string; readonly port: number };

/** A direction is named by who sends: the one that connected, or the one that was connected to. */
export type Cutting = { readonly fromClient: boolean; readonly fromServer: boolean };

export const NOTHING: Cutting = { fromClient: false, fromServer: false };

export type RelayParts = {
  /** Accepted, and paused since then. */
  readonly client: Socket;
  readonly target: Address;
  readonly cut: Cutting;
  /** Both ends are gone. */
  readonly onOver: () => void;
  /** The real listener refused, or ended. */
  readonly onLost: () => void;
};

export class Relay {
  readonly #parts: RelayParts;
  readonly #client: Socket;
  #server: Socket | null = null;
  #cut: Cutting;
  /** An end that was reset while its news could not get through. */
  #resetOwed = { toClient: false, toServer: false };
  #over = false;

  constructor(parts: RelayParts) {
    this.#parts = parts;
    this.#client = parts.client;
    this.#cut = parts.cut;
    this.#client.setNoDelay(true);
    this.#client.on("error", () => this.#lost("client"));
    this.#client.on("close", () => this.#closed());
    if (this.#client.destroyed) queueMicrotask(() => this.#closed());
    this.#flow();
  }

  /** What is cut from now on. */
  set(cut: Cutting): void {
    this.#cut = cut;
    if (this.#resetOwed.toServer && !cut.fromClient) this.#server?.resetAndDestroy();
    if (this.#resetOwed.toClient && !cut.fromServer) this.#client.resetAndDestroy();
    this.#flow();
  }

  /** Both ends see a reset, whatever is cut. */
  reset(): void {
    this.#client.resetAndDestroy();
    this.#server?.resetAndDestroy();
    if (this.#server === null) this.#closed();
  }

  #flow(): void {
    const { fromClient, fromServer } = this.#cut;
    // A handshake needs both directions.
    if (this.#server === null && !fromClient && !fromServer && !this.#client.destroyed)
      this.#connect();
    const server = this.#server;
    if (server === null) return;
    if (fromClient || server.writableNeedDrain) this.#client.pause();
    else this.#client.resume();
    if (fromServer || this.#client.writableNeedDrain) server.pause();
    else server.resume();
  }

  #connect(): void {
    const { target, onLost } = this.#parts;
    const server = connect({ ...target, allowHalfOpen: true, noDelay: true });
    this.#server = server;
    pump(this.#client, server, () => this.#flow());
    pump(server, this.#client, () => this.#flow());
    server.on("error", () => this.#lost("server"));
    server.on("close", () => {
      // It went first: perhaps its process did.
      if (!this.#client.readableEnded) onLost();
      this.#closed();
    });
  }

  /** One end failed: the other one is told by a reset, as soon as it can be told. */
  #lost(end: "client" | "server"): void {
    if (end === "client") {
      if (this.#cut.fromClient) this.#resetOwed.toServer = true;
      else this.#server?.resetAndDestroy();
      return;
    }
    if (this.#cut.fromServer) this.#resetOwed.toClient = true;
    else this.#client.resetAndDestroy();
  }

  #closed(): void {
    const gone = this.#client.destroyed && (this.#server?.destroyed ?? true);
    if (!gone || this.#over) return;
    this.#over = true;
    this.#parts.onOver();
  }
}

function pump(from: Socket, to: Socket, onDrain: () => void): void {
  from.on("data", (chunk) => {
    if (!to.write(chunk)) from.pause();
  });
  to.on("drain", onDrain);
  from.on("end", () => to.end());
}
