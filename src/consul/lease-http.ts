// One HTTP request on a connection of its own, over node:net: in the lease's thread node:http would cost 4 MB more and
// the `consul` package again as much. HTTP/1.0 says it all: no keep-alive, no chunks, the answer ends with the
// connection. Two requests per second to the agent on this host do not need more.
import { connect, isIP, type Socket } from "node:net";
import type { ConsulAddress, ConsulConfig } from "./config.ts";

export type HttpAnswer = { readonly status: number; readonly body: string };

/** Consul's answers to our calls are below 1 KiB. */
const ANSWER_MAX_BYTES = 64 * 1024;

/** Rejects with an Error whose message never holds the token. `timeoutMs` bounds all of it. */
export async function request(
  config: ConsulConfig,
  address: ConsulAddress,
  path: string,
  body: string,
  timeoutMs: number,
): Promise<HttpAnswer> {
  // Loaded only by those who need it.
  const tls = address.secure ? await import("node:tls") : null;
  return new Promise((resolve, reject) => {
    const socket = open(config, address, tls);
    const chunks: Buffer[] = [];
    let bytes = 0;
    const timer = setTimeout(
      () => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)),
      timeoutMs,
    );
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > ANSWER_MAX_BYTES) socket.destroy(new Error("an answer of absurd length"));
    });
    // A torn connection and a whole answer both end in "close"; the error, if any, was kept for it.
    let failure: Error | null = null;
    socket.on("error", (error) => (failure = error));
    socket.on("close", () => {
      clearTimeout(timer);
      if (failure !== null) return reject(failure);
      const answer = parse(Buffer.concat(chunks));
      if (answer === null) reject(new Error("an incomplete answer"));
      else resolve(answer);
    });
    socket.write(printRequest(config, address, path, body));
  });
}

function open(
  config: ConsulConfig,
  { host, port, socketPath }: ConsulAddress,
  tls: typeof import("node:tls") | null,
): Socket {
  if (socketPath !== null) return connect({ path: socketPath });
  if (tls === null) return connect({ host, port });
  return tls.connect({
    host,
    port,
    servername: config.serverName ?? (isIP(host) === 0 ? host : ""),
    rejectUnauthorized: config.verify,
    ...(config.ca === null ? {} : { ca: config.ca }),
    ...(config.cert === null ? {} : { cert: config.cert }),
    ...(config.key === null ? {} : { key: config.key }),
  });
}

function printRequest(
  config: ConsulConfig,
  { host, port }: ConsulAddress,
  path: string,
  body: string,
): string {
  const name = host.includes(":") ? `[${host}]` : host;
  const lines = [
    `PUT ${path} HTTP/1.0`,
    `Host: ${name}:${port}`,
    ...(config.token === null ? [] : [`X-Consul-Token: ${config.token}`]),
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ];
  return `${lines.join("\r\n")}\r\n\r\n${body}`;
}

/** Null: not a whole answer. */
function parse(bytes: Buffer): HttpAnswer | null {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return null;
  const head = bytes.subarray(0, end).toString("latin1");
  const body = bytes.subarray(end + 4);
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1]);
  const length = /^content-length: *(\d+)/im.exec(head)?.[1];
  if (!(status > 0) || (length !== undefined && body.length < Number(length))) return null;
  return { status, body: body.toString() };
}
