// A token that is revoked at run time, on a real Consul with access control: the primary stays by failsafe, says which
// error it is, and a new token in the token's file mends it without a restart (PROTOCOL §10).
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect } from "vitest";
import { Consul, FAST } from "./consul.ts";
import { acknowledges, type Cluster } from "./harness.ts";
import { expectVerdict, story } from "./story.ts";
import { autopilot } from "./up.ts";
import { LIMIT_MS, until } from "./until.ts";

const MASTER = "5e4b1f7c-0000-4000-8000-000000000001";
const ANONYMOUS = "00000000-0000-0000-0000-000000000002";

type Token = { readonly AccessorID: string; readonly SecretID: string };

async function acl<T>(url: string, method: string, path: string, body?: object): Promise<T> {
  const init = { method, headers: { "x-consul-token": MASTER } };
  const json = body === undefined ? init : { ...init, body: JSON.stringify(body) };
  return until(`Consul takes ${method} ${path}`, async () => {
    const answer = await fetch(`${url}/v1/acl/${path}`, json);
    return answer.ok ? ((await answer.json()) as NonNullable<T>) : null;
  });
}

const newToken = (url: string) =>
  acl<Token>(url, "PUT", "token", { Policies: [{ Name: "global-management" }] });

const secret = join(tmpdir(), `autopilot-token-${process.pid}`);
afterAll(() => rm(secret, { force: true }));

story(
  "a token revoked at run time leaves the primary open, is named, and a new one in its file mends it",
  { env: { CONSUL_HTTP_TOKEN_FILE: secret } },
  async (cluster) => {
    const more = `${FAST} acl { enabled = true default_policy = "deny" tokens { master = "${MASTER}" } }`;
    await using consul = await Consul.prepare(cluster.dir, cluster.basePort + 90, more);
    await consul.start();
    await revoked(cluster, consul);
  },
);

async function revoked(cluster: Cluster, consul: Consul): Promise<void> {
  const { url } = consul;
  // The test's own watch of `state` reads without a token.
  await acl(url, "PUT", "policy", { Name: "read", Rules: 'key_prefix "" { policy = "read" }' });
  await acl(url, "PUT", `token/${ANONYMOUS}`, { Policies: [{ Name: "read" }] });
  const first = await newToken(url);
  await writeFile(secret, first.SecretID, { mode: 0o600 });
  cluster.watchState(url);
  await cluster.start({ consul: url });
  await cluster.whole();
  await using run = await cluster.ledger();
  const before = await cluster.status();
  const { name, port } = await cluster.primary();

  await acl(url, "DELETE", `token/${first.AccessorID}`);
  await until("the primary names the error, and stays", async () => {
    const answer = await fetch(`http://127.0.0.1:${port + 2}/status`);
    const own = (await answer.json()) as { role: string; says: string; alerts: readonly string[] };
    const named = own.alerts.some((alert) => alert.includes("AP_CONSUL_DENIED"));
    return named && own.role === "primary" && own.says.includes("failsafe");
  });
  await acknowledges(run);
  // An operator whose own token works reads the same from `status`.
  const argv = ["status", "--json", "--consul", url, "--cluster", before.cluster];
  await until("`status` shows the alarm", async () => {
    const { stdout } = await autopilot(argv, LIMIT_MS, { CONSUL_HTTP_TOKEN: MASTER });
    const { nodes } = JSON.parse(stdout) as { nodes: { name: string; alerts: string[] }[] };
    const alerts = nodes.find((node) => node.name === name)?.alerts ?? [];
    return alerts.some((alert) => alert.includes("AP_CONSUL_DENIED"));
  });

  const second = await newToken(url);
  await writeFile(secret, second.SecretID, { mode: 0o600 });
  await cluster.whole();
  await until("no node is refused any more", async () => {
    const { nodes } = await cluster.status();
    return nodes.every(
      ({ says }) => !says.includes("AP_CONSUL_DENIED") && !says.includes("failsafe"),
    );
  });
  await acknowledges(run);
  expect(await cluster.status()).toMatchObject({ epoch: before.epoch, primary: before.primary });
  for (const token of [first, second]) expect(cluster.logs(10_000)).not.toContain(token.SecretID);
  await expectVerdict(cluster, run);
}
