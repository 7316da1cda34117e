// A second address of a server: a TCP relay on loopback that can be broken in the ways in which an agent, or what stands
// before it, breaks, and mended again.
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/**
 * `refuses`: nothing listens any more. `hangs`: connections are taken and never answered, like a frozen host's.
 * `errors`: each request is answered with a 500. `cuts`: each answer ends in its middle. `slow`: each comes late.
 */
export type Fault = "refuses" | "hangs" | "errors" | "cuts" | "slow";

export interface Detour extends AsyncDisposable {
  readonly url: string;
  /** Answers that the present fault has spoilt. */
  readonly spoilt: number;
  break(how: Fault): Promise<void>;
  /** As if nothing had been; not after `refuses`. */
  mend(): void;
}

/** Less than a request's limit of 1 s: slow is not silent. */
const SLOW_MS = 400;
const HALF = 40;
const NO_LEADER =
  "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 17\r\nConnection: close\r\n\r\nNo cluster leader";

export async function startDetour(target: string): Promise<Detour> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let fault: Fault | null = null;
  let spoilt = 0;
  const server = createServer((socket) => {
    keep(socket);
    if (fault === "hangs") return;
    if (fault === "errors") {
      socket.once("data", () => {
        spoilt += 1;
        socket.end(NO_LEADER);
      });
      return;
    }
    const onward = connect(Number(port), hostname);
    keep(onward);
    socket.pipe(onward);
    onward.on("data", (chunk) => answer(socket, chunk));
    // Also where the server was killed and its end is a reset.
    onward.on("close", () => later(() => socket.end()));
    socket.on("close", () => onward.destroy());
  });

  function answer(socket: Socket, chunk: Buffer): void {
    if (fault === "hangs") return;
    if (fault !== null) spoilt += 1;
    if (fault === "cuts") socket.write(chunk.subarray(0, HALF), () => socket.destroy());
    else later(() => void socket.write(chunk));
  }

  function later(act: () => void): void {
    if (fault === "slow") setTimeout(act, SLOW_MS).unref();
    else act();
  }

  function keep(socket: Socket): void {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    // Broken on purpose; whoever is connected sees it.
    socket.on("error", () => socket.destroy());
  }

  function drop(): void {
    for (const socket of sockets) socket.destroy();
  }

  async function close(): Promise<void> {
    if (!server.listening) return;
    const closed = once(server.close(), "close");
    drop();
    await closed;
  }

  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get spoilt() {
      return spoilt;
    },
    async break(how) {
      if (how === "refuses") return close();
      fault = how;
      spoilt = 0;
      // Those that wait for an answer begin anew, and meet the fault; a frozen host says nothing to them.
      if (how === "errors" || how === "cuts") drop();
    },
    mend() {
      const frozen = fault === "hangs";
      fault = null;
      if (frozen) drop();
    },
    [Symbol.asyncDispose]: close,
  };
}
