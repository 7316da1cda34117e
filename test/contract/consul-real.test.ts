// The contract on a real Consul 1.8.7, and what only that one can show: access control.
import { describe, expect, test } from "vitest";
import { connect, consulAt, consulFromEnv } from "../../src/consul/client.ts";
import { startLease } from "../../src/consul/lease.ts";
import { START_LIMIT_MS, serviceOf } from "./consul-fixture.ts";
import { findConsul, startConsulServer } from "./consul-server.ts";
import { consulContract } from "./consul.contract.ts";
import { dnsContract } from "./dns.contract.ts";
import { until } from "./until.ts";

const found = await findConsul();

if ("why" in found) {
  // Debian's bullseye, the last suite that carries Consul, may leave the mirror one day, and other systems never had it:
  // then the same contract still runs on the development agent, and this says loudly that the real one was not asked.
  console.warn(`SKIPPED: the contract on a real Consul: ${found.why}`);
  describe.skip(`Consul contract on a real server: skipped, ${found.why}`, () => {
    test("needs the Consul program", () => undefined);
  });
} else {
  const { argv } = found;
  consulContract("a real server", () => startConsulServer(argv));
  dnsContract("a real server", () => startConsulServer(argv));
  accessControl(argv);
}

function accessControl(argv: readonly string[]): void {
  const master = "5e4b1f7c-0000-4000-8000-000000000001";
  const wrong = "5e4b1f7c-0000-4000-8000-000000000002";
  const acl = { enabled: true, default_policy: "deny", tokens: { master } };

  test(
    "a wrong token is a ConfigError that never repeats it, the right one works everywhere",
    {
      timeout: START_LIMIT_MS,
    },
    async () => {
      await using server = await startConsulServer(argv, { acl });
      const at = (token: string) =>
        consulFromEnv({ CONSUL_HTTP_ADDR: server.url, CONSUL_HTTP_TOKEN: token });
      const denied = connect(at(wrong));
      const service = serviceOf("acl");
      const session = { name: "x", serviceId: service.id, ttlSeconds: 10 };
      for (const attempt of [
        () => denied.kv.get("a"),
        () => denied.kv.commit([{ do: "set", key: "a", value: "" }]),
        () => denied.directory.register(service, 5),
        () => denied.leaser.open(session),
      ]) {
        const failure = await attempt().catch((error: unknown) => error);
        expect(failure).toMatchObject({ name: "ConfigError", code: "AP_CONSUL_DENIED" });
        expect(everythingOf(failure)).not.toContain(wrong);
      }
      const anonymous = connect(consulAt(server.url));
      await expect(anonymous.kv.get("a")).rejects.toMatchObject({ code: "AP_CONSUL_DENIED" });

      const allowed = connect(at(master));
      await until("the master token is known", () =>
        allowed.kv.commit([{ do: "set", key: "a", value: "1" }]),
      );
      const view = await leaseWith(at(wrong), (it) => it.error !== null);
      expect(view.error).not.toContain(wrong);
      await leaseWith(at(master), (it) => it.session !== null);
      for (const it of [denied, anonymous, allowed]) it.close();
    },
  );

  async function leaseWith(
    config: ReturnType<typeof consulFromEnv>,
    enough: (view: { session: string | null; error: string | null }) => boolean,
  ) {
    await using lease = await startLease({ config, service: serviceOf("acl"), onChange: () => {} });
    // Awaited, or the lease would end before.
    return await until("the lease has something to say", () => {
      const view = lease.view();
      return enough(view) ? view : null;
    });
  }

  /** An error as a careless logger would print it: with its own properties and its causes. */
  function everythingOf(error: unknown): string {
    const seen = new Set<unknown>();
    return JSON.stringify(error, (_, value: unknown) => {
      if (typeof value !== "object" || value === null) return value;
      if (seen.has(value)) return undefined;
      seen.add(value);
      if (!(value instanceof Error)) return value;
      return [value.message, value.cause, Object.entries(value)];
    });
  }
}
