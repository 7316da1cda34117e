// Requests without end against an address, each on a connection of its own, and what became of every single one.
import { Agent, createServer, get, type Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";

export type Load = {
  /** How many were answered with 200 so far. */
  readonly answered: () => number;
  /** Everything else that came back. */
  readonly failures: readonly string[];
  /** How many times each body was seen. */
  readonly bodies: ReadonlyMap<string, number>;
  stop(): Promise<void>;
};

/** `lanes` at the same time, one request after the other in each. */
export function startLoad(url: string, lanes: number): Load {
  const failures: string[] = [];
  const bodies = new Map<string, number>();
  let isRunning = true;
  const lane = async (): Promise<void> => {
    while (isRunning) {
      try {
        const { status, body } = await request(url);
        if (status === 200) bodies.set(body, (bodies.get(body) ?? 0) + 1);
        else failures.push(`${status}: ${body}`);
      } catch (error) {
        failures.push(String(error));
      }
    }
  };
  const running = Array.from({ length: lanes }, lane);
  return {
    answered: () => [...bodies.values()].reduce((sum, count) => sum + count, 0),
    failures,
    bodies,
    async stop() {
      isRunning = false;
      await Promise.all(running);
    },
  };
}

/** Without keep-alive: a connection that stands idle may be closed by any server at any time, reload or not. */
export function request(url: string): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const asked = get(
      url,
      { agent: new Agent({ keepAlive: false }), timeout: 20_000 },
      (answer) => {
        let body = "";
        answer.setEncoding("utf8").on("data", (text) => (body += String(text)));
        answer.once("error", reject);
        answer.once("end", () => resolve({ status: answer.statusCode ?? 0, body }));
      },
    );
    asked.once("timeout", () => asked.destroy(new Error("no answer")));
    asked.once("error", reject);
  });
}

export type Backend = AsyncDisposable & {
  readonly port: number;
  /** Slow requests that were begun and not yet answered. */
  readonly held: () => number;
  /** Answers them. */
  release(): void;
};

/** Answers with its name; a request of /slow when it is told to, in two pieces. */
export async function startBackend(name: string): Promise<Backend> {
  const held = new Set<() => void>();
  const server: Server = createServer((asked, answer) => {
    if (asked.url !== "/slow") return void answer.end(name);
    answer.write(`${name} begins`);
    const finish = (): void => {
      held.delete(finish);
      answer.end(" and ends");
    };
    held.add(finish);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    held: () => held.size,
    release() {
      for (const finish of held) finish();
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
