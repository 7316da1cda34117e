// Ports of loopback that nobody listens on.
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";

/** Found all at once, so that they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(servers.map((it) => once(it.listen(0, "127.0.0.1"), "listening")));
  const ports = servers.map((it) => (it.address() as AddressInfo).port);
  await Promise.all(servers.map((it) => once(it.close(), "close")));
  return ports;
}
