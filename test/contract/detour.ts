// A second address of a server: a TCP relay on loopback that can be broken in the two ways in which an agent breaks.
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface Detour extends AsyncDisposable {
  readonly url: string;
  /** `refuses`: nothing listens any more. `hangs`: connections are taken and never answered, like a frozen host's. */
  break(how: "refuses" | "hangs"): Promise<void>;
}

export async function startDetour(target: string): Promise<Detour> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let hanging = false;
  const server = createServer((socket) => {
    keep(socket);
    if (hanging) return;
    const onward = connect(Number(port), hostname);
    keep(onward);
    socket.pipe(onward).pipe(socket);
  });

  function keep(socket: Socket): void {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    // Broken on purpose; whoever is connected sees it.
    socket.on("error", () => socket.destroy());
  }

  async function close(): Promise<void> {
    if (!server.listening) return;
    const closed = once(server.close(), "close");
    for (const socket of sockets) socket.destroy();
    await closed;
  }

  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async break(how) {
      if (how === "refuses") return close();
      hanging = true;
      for (const socket of sockets) socket.unpipe();
    },
    [Symbol.asyncDispose]: close,
  };
}
