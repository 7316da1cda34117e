// What the two applications have in common: a small HTTP server that knows its own data and asks the other one for the
// rest. It is up without the other, says so, and ends with its last request.
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { followUpstreams } from "./upstreams.ts";

export type Application = {
  readonly name: string;
  readonly port: number;
  /** What this one knows, at /data. */
  readonly data: readonly object[];
  /** The page at /: our data with what the other one answered; null: it did not. */
  readonly page: (others: readonly Record<string, unknown>[] | null) => unknown;
};

export function serve({ name, port, data, page }: Application): void {
  const upstreams = followUpstreams(process.env["UPSTREAMS"] ?? "/run/workshop/upstreams.json");
  const server = createServer((request, response) => {
    void answer(request.url ?? "/", response).catch((error: unknown) => {
      console.error(String(error));
      response.destroy();
    });
  });

  async function answer(url: string, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(url, "http://localhost");
    if (pathname === "/health") return reply(response, 200, { name, upstreams: upstreams.list() });
    if (pathname === "/data") return reply(response, 200, data);
    if (pathname !== "/") return reply(response, 404, { error: `${name} has no ${pathname}` });
    const others = await upstreams.ask("/data");
    const rows = Array.isArray(others) ? (others as readonly Record<string, unknown>[]) : null;
    reply(response, 200, { from: process.pid, others: rows !== null, page: page(rows) });
  }

  process.once("SIGTERM", () => {
    server.close();
    server.closeIdleConnections();
  });
  server.listen(port, process.env["BIND"], () => {
    const bound = (server.address() as AddressInfo).port;
    console.log(`${name} listens on ${bound}`);
  });
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(`${JSON.stringify(body)}\n`);
}
