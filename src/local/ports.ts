// The ports of a local cluster: told before anything starts, because a server that cannot listen says so much later.
import { createServer } from "node:net";
import { UnavailableError } from "../errors.ts";
import type { LocalNode } from "../recipe.ts";
import { listenerOf } from "./process.ts";

/** The server, its admin port, the agent's HTTP port. */
export const PORTS_PER_NODE = 3;

/** Errors: UnavailableError AP_PORT_IN_USE with all taken ports and, where known, who has them. */
export async function claimPorts(
  nodes: readonly LocalNode[],
  others: readonly number[],
): Promise<void> {
  const ports = [
    ...others,
    ...nodes.flatMap(({ basePort }) =>
      Array.from({ length: PORTS_PER_NODE }, (_, i) => basePort + i),
    ),
  ];
  const free = await Promise.all(ports.map(isFree));
  const taken = ports.filter((_, i) => free[i] === false);
  if (taken.length === 0) return;
  const said = taken.map((port) => {
    const owner = listenerOf(port);
    return owner === null ? String(port) : `${port} by ${owner}`;
  });
  const what = taken.length === 1 ? "port is taken" : "ports are taken";
  throw new UnavailableError("AP_PORT_IN_USE", `${what}: ${said.join(", ")}`);
}

/** Whether this machine lets us listen there now. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: "127.0.0.1" }, () => server.close(() => resolve(true)));
  });
}

/** Any port that is free now. */
export function anyFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ port: 0, host: "127.0.0.1" }, () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
