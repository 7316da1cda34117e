// A reverse proxy on loopback that counts the requests to Consul by method and area. It stands between the agents and
// Consul, so it counts what really goes over the wire.
import { createServer, request, type Server } from "node:http";
import { once } from "node:events";

export class CountingProxy implements AsyncDisposable {
  /** Requests since the last reset, by "METHOD /v1/area". */
  readonly counts = new Map<string, number>();
  readonly #server: Server;
  readonly #target: URL;

  private constructor(target: string) {
    this.#target = new URL(target);
    this.#server = createServer((from, to) => {
      const path = from.url ?? "/";
      const area = path.split(/[/?]/).slice(1, 3).join("/");
      const key = `${from.method} /${area}${/[?&]index=[1-9]/.test(path) ? " (blocking)" : ""}`;
      this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
      const { hostname, port } = this.#target;
      const onward = request(
        { hostname, port, path, method: from.method, headers: from.headers },
        (answer) => {
          to.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(to);
        },
      );
      onward.on("error", () => to.writeHead(502).end());
      // A blocking query that its caller gave up must not stay open at Consul.
      to.on("close", () => onward.destroy());
      from.pipe(onward);
    });
  }

  static async start(target: string): Promise<CountingProxy> {
    const proxy = new CountingProxy(target);
    await once(proxy.#server.listen(0, "127.0.0.1"), "listening");
    return proxy;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the proxy is closed");
    return `http://127.0.0.1:${address.port}`;
  }

  /** All requests since the last reset. */
  get total(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await this.#server[Symbol.asyncDispose]();
  }
}
