// What stops a start: each a clear error with its code, an exit code that is not 0, and nothing left running.
import { createServer } from "node:net";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { Consul, FAST } from "./consul.ts";
import type { Cluster } from "./harness.ts";
import { story } from "./story.ts";
import type { UpOptions } from "./up.ts";

/** All that `up` said: with --json an error may be a line of stdout. */
async function refused(cluster: Cluster, more: Partial<UpOptions> = {}): Promise<string> {
  const up = cluster.launch(more);
  expect(await up.ended()).not.toBe(0);
  expect(up.lines.some(({ event }) => event === "ready")).toBe(false);
  await cluster.nothingLeft();
  return up.said + JSON.stringify(up.lines);
}

story("a port of a node that is in use stops the start and is named", {}, async (cluster) => {
  const port = cluster.basePort + 20;
  const server = createServer().listen(port, "127.0.0.1");
  await once(server, "listening");
  try {
    const said = await refused(cluster);
    expect(said).toContain("AP_PORT_IN_USE");
    expect(said).toContain(String(port));
  } finally {
    server.close();
  }
});

story("a directory that cannot be one stops the start and is named", {}, async (cluster) => {
  const file = join(cluster.dir, "a-file");
  await writeFile(file, "kept");
  expect(await refused(cluster, { dir: file })).toContain(file);
});

story("a named mysqld that is none stops the start and is named", {}, async (cluster) => {
  const said = await refused(cluster, { env: { AUTOPILOT_MYSQLD: "/bin/true" } });
  expect(said).toContain("AP_TOOL_UNUSABLE");
  expect(said).toContain("/bin/true");
});

story("a token that Consul refuses stops the start", {}, async (cluster) => {
  const acl = `${FAST} acl { enabled = true default_policy = "deny" }`;
  await using consul = await Consul.prepare(cluster.dir, cluster.basePort + 90, acl);
  await consul.start();
  const token = "11111111-2222-3333-4444-555555555555";
  const up = cluster.launch({ consul: consul.url, env: { CONSUL_HTTP_TOKEN: token } });
  expect(await up.ended()).not.toBe(0);
  const said = up.said + JSON.stringify(up.lines);
  expect(said).toContain("AP_CONSUL_DENIED");
  expect(said).not.toContain(token);
});
