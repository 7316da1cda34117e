// The development agent's DNS, by UDP and TCP on one loopback port. It answers from the state as it is at that moment.
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { ConfigError } from "../../errors.ts";
import { answerTo } from "./dns-answer.ts";
import { encodeForTcp, encodeForUdp, parseQuery } from "./dns-message.ts";
import type { State } from "./state.ts";

export interface DnsServer extends AsyncDisposable {
  readonly port: number;
}

/** Connections at the same time; more are closed at once. */
const CONNECTIONS_MAX = 128;
/** A connection that asks nothing for so long is closed. */
const IDLE_MS = 10_000;
/** A question is some dozen bytes; two of the length stand before it. */
const QUESTION_MAX_BYTES = 2 + 4096;

/** `now` lets what is overdue turn critical before an answer. Errors: ConfigError AP_PORT_IN_USE. */
export async function startDns(
  state: State,
  at: { readonly host: string; readonly port: number },
  now: () => void,
): Promise<DnsServer> {
  const sockets = new Set<Socket>();
  const tcp = createServer((socket) => serve(socket, state, now, sockets));
  tcp.maxConnections = CONNECTIONS_MAX;
  const udp = createSocket(at.host.includes(":") ? "udp6" : "udp4");
  udp.on("message", (bytes, from) => {
    const query = parseQuery(bytes);
    if (query === null) return;
    now();
    const answer = encodeForUdp(query, answerTo(state, query.question));
    // Who does not get it asks again.
    udp.send(answer, from.port, from.address, () => undefined);
  });
  try {
    const port = await listen(tcp, udp, at);
    udp.on("error", () => undefined); // A question that could not be read: the next one can.
    return {
      port,
      async [Symbol.asyncDispose]() {
        for (const socket of sockets) socket.destroy();
        const closed = [once(tcp, "close"), once(udp, "close")];
        tcp.close();
        udp.close();
        await Promise.all(closed);
      },
    };
  } catch (error) {
    tcp.close();
    const why = `the development agent cannot answer DNS on ${at.host}:${at.port}`;
    throw new ConfigError("AP_PORT_IN_USE", why, { cause: error });
  }
}

/** The same port for both; with port 0 the one that TCP gets. */
async function listen(
  tcp: Server,
  udp: UdpSocket,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<number> {
  tcp.listen(port, host);
  await once(tcp, "listening");
  const { port: bound } = tcp.address() as AddressInfo;
  udp.bind(bound, host);
  await once(udp, "listening");
  return bound;
}

function serve(socket: Socket, state: State, now: () => void, sockets: Set<Socket>): void {
  let unread = Buffer.alloc(0);
  sockets.add(socket);
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  socket.on("close", () => sockets.delete(socket));
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk: Buffer) => {
    unread = Buffer.concat([unread, chunk]);
    while (unread.length >= 2) {
      const length = unread.readUInt16BE(0);
      if (2 + length > QUESTION_MAX_BYTES) return void socket.destroy();
      if (unread.length < 2 + length) return;
      const query = parseQuery(unread.subarray(2, 2 + length));
      unread = unread.subarray(2 + length);
      if (query === null) return void socket.destroy();
      now();
      socket.write(encodeForTcp(query, answerTo(state, query.question)));
    }
  });
}
