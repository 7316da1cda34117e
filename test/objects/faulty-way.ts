// The way to a store, with faults: an HTTP proxy that hands requests on unchanged (a real store verifies their signature),
// unless the test wants one of them to meet a fault.
import { once } from "node:events";
import {
  createServer,
  request as open,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { errorXml } from "./s3-xml.ts";

export type Fault =
  /** Answered with S3's code, the store never hears of it. */
  | { readonly do: "answer"; readonly status: number; readonly code: string }
  /** Answered by something that is no S3. */
  | { readonly do: "babble"; readonly status: number }
  /** Never answered. */
  | { readonly do: "hang" }
  /** The connection breaks before the store hears of it, or while the body is on its way. */
  | { readonly do: "reset" }
  /** The store does it, and its answer is lost. */
  | { readonly do: "lose-answer" }
  /** The connection breaks after half of the answer's body. */
  | { readonly do: "break-body" }
  /** Half of the answer's body, said to be all. */
  | { readonly do: "shorten-body" }
  /** One bit of the request's, or of the answer's, body. */
  | { readonly do: "flip-request" }
  | { readonly do: "flip-answer" };

/** What a request looks like to a test that chooses. `number` counts all requests from 1. */
export type Seen = {
  readonly number: number;
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly range: string | null;
};

export interface FaultyWay extends AsyncDisposable {
  readonly url: string;
  /** All that came, also what met a fault. */
  readonly seen: Seen[];
  /** The fault that a request meets, or null. */
  choose: (seen: Seen) => Fault | null;
  /** Requests that were being handed on at the same time, at most. */
  readonly together: () => number;
}

export async function startFaultyWay(target: string): Promise<FaultyWay> {
  const { hostname, port } = new URL(target);
  const seen: Seen[] = [];
  let [now, most] = [0, 0];
  const way: { choose: (seen: Seen) => Fault | null } = { choose: () => null };
  const server = createServer((request, response) => {
    void handle(request, response).catch(() => response.destroy());
  });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://x");
    const one: Seen = {
      number: seen.length + 1,
      method: request.method ?? "",
      path: decodeURIComponent(url.pathname),
      query: url.searchParams,
      range: request.headers.range ?? null,
    };
    seen.push(one);
    const fault = way.choose(one);
    if (fault?.do === "reset") {
      // In the middle of a body, where there is one.
      request.once("data", () => request.destroy()).once("end", () => request.destroy());
      return;
    }
    now += 1;
    most = Math.max(most, now);
    try {
      const body = await bodyOf(request);
      if (fault?.do === "hang") return;
      if (fault?.do === "answer") return refuse(one, response, fault.status, fault.code);
      if (fault?.do === "babble")
        return void response.writeHead(fault.status, { "content-type": "text/html" }).end("<html>");
      if (fault?.do === "flip-request") flip(body);
      const answer = await ask(request, body);
      give(response, answer, fault);
    } finally {
      now -= 1;
    }
  }

  async function ask(request: IncomingMessage, body: Buffer) {
    const { method, url: path, headers } = request;
    const onward = open({ hostname, port, method, path, headers });
    onward.end(body);
    const [answer] = (await once(onward, "response")) as [IncomingMessage];
    return { status: answer.statusCode ?? 0, headers: answer.headers, body: await bodyOf(answer) };
  }

  await once(server.listen(0, "127.0.0.1"), "listening");
  return Object.assign(way, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    together: () => most,
    async [Symbol.asyncDispose]() {
      const closed = once(server.close(), "close");
      server.closeAllConnections();
      await closed;
    },
  });
}

function give(
  response: ServerResponse,
  { status, headers, body }: { status: number; headers: IncomingMessage["headers"]; body: Buffer },
  fault: Fault | null,
): void {
  if (fault?.do === "lose-answer") return void response.destroy();
  if (fault?.do === "flip-answer") flip(body);
  const half = body.subarray(0, Math.floor(body.length / 2));
  if (fault?.do === "shorten-body") {
    response.writeHead(status, { ...headers, "content-length": half.length });
    return void response.end(half);
  }
  response.writeHead(status, headers);
  if (fault?.do !== "break-body") return void response.end(body);
  response.write(half, () => response.destroy());
}

function refuse({ method }: Seen, response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { "content-type": "application/xml" });
  response.end(method === "HEAD" ? "" : errorXml(code));
}

function flip(body: Buffer): void {
  const middle = Math.floor(body.length / 2);
  body[middle] = (body[middle] ?? 0) ^ 1;
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
