// A small HTTP server that answers JSON: what the agent's port and the control socket have in common. Limits on
// everything that a client chooses; an answer never waits for the client's next move.
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { messageOf } from "../errors.ts";

// Importing node:http as a module evaluates its lazy exports, WebSocket among them: 13 MB that nobody uses.
const { createServer } = process.getBuiltinModule("node:http");

export type JsonRequest = {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** "" without a body. */
  readonly body: string;
  /** Aborts when the client goes away or the server ends. */
  readonly signal: AbortSignal;
};

/** Status, and a body that becomes JSON; with a content type, a text that is sent as it is. */
export type Answer =
  | readonly [status: number, body: unknown]
  | readonly [status: number, text: string, contentType: string];

export type JsonServer = AsyncDisposable & { readonly server: Server };

// Nobody sends us more than a verb and its options.
const LARGEST_BODY = 64 * 1024;
const MOST_CONNECTIONS = 256;
// When the server ends: answers are computed at once, so this is for the client's slowness only.
const ANSWERED_WITHIN_MS = 250;

/** A server that does not listen yet. `answer` may throw: that is a 500 with the message, and our bug. */
export function makeJsonServer(
  answer: (request: JsonRequest) => Answer | Promise<Answer>,
): JsonServer {
  const closing = new AbortController();
  const server = createServer(
    // A client that sends its request this slowly is broken, or means harm.
    {
      requestTimeout: 10_000,
      headersTimeout: 5_000,
      keepAliveTimeout: 5_000,
      maxHeaderSize: 8_192,
    },
    (request, response) => {
      void serve(request, response, answer, closing.signal);
    },
  );
  server.maxConnections = MOST_CONNECTIONS;
  // A connection that cannot be accepted (no file descriptor left) is the client's loss, not the agent's end.
  server.on("error", () => {});
  return {
    server,
    async [Symbol.asyncDispose]() {
      closing.abort();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeIdleConnections();
      // Whoever just asked us to end still gets the answer.
      const limit = setTimeout(() => server.closeAllConnections(), ANSWERED_WITHIN_MS);
      await closed;
      clearTimeout(limit);
    },
  };
}

/** Resolves when `server` listens; rejects with the system's error. */
export function listen(
  server: Server,
  at: { readonly path: string } | { readonly port: number; readonly host: string },
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(at, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  answer: (request: JsonRequest) => Answer | Promise<Answer>,
  closing: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  response.on("error", () => {}); // the client went away: there is nobody to answer
  try {
    const body = await readBody(request);
    if (body === null) return send(response, [413, { error: "the body is too large" }]);
    const url = new URL(request.url ?? "/", "http://localhost");
    const signal = AbortSignal.any([gone.signal, closing]);
    const method = request.method ?? "GET";
    const asked = { method, path: url.pathname, query: url.searchParams, body, signal };
    send(response, await answer(asked));
  } catch (error) {
    send(response, [500, { error: messageOf(error) }]);
  }
}

/** Null: larger than we read. */
async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LARGEST_BODY) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function send(response: ServerResponse, [status, body, contentType]: Answer): void {
  if (response.headersSent || response.destroyed) return;
  const text = contentType === undefined ? `${JSON.stringify(body)}\n` : String(body);
  response.writeHead(status, {
    // A connection that is kept alive would keep a server that ends waiting for it.
    connection: "close",
    "content-type": contentType ?? "application/json",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
  });
  response.end(text);
}
