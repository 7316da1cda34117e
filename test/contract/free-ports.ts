// Ports of loopback that nobody listens on: below those that the kernel hands out for outgoing connections, because one
// of these may take a port between the moment it was found free and that of its use; and in lanes of their own, because
// two files run side by side.
import { createServer } from "node:net";

/** Up to the range of the drills' clusters (src/local/lab.ts). */
const LOWEST = 5_000;
const COUNT = 7_000;
const LANES = 2;
const lane = Number(process.env["VITEST_POOL_ID"] ?? 0) % LANES;
const given = new Set<number>();

/** Found all at once; none is given twice by one process. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    if (given.size >= COUNT / LANES) throw new Error("all ports were given");
    const port = LOWEST + Math.floor((Math.random() * COUNT) / LANES) * LANES + lane;
    if (given.has(port)) continue;
    given.add(port);
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.once("error", () => resolve(false));
  server.listen({ port, host: "127.0.0.1", exclusive: true }, () =>
    server.close(() => resolve(true)),
  );
  return promise;
}
