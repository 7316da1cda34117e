// What Consul's DNS says of services and nodes: one suite for the development agent and for the real Consul.
import { Resolver } from "node:dns/promises";
import { describe, expect, test } from "vitest";
import { TEST_LIMIT_MS, useConsul, type ConsulUnderTest } from "./consul-fixture.ts";
import { until } from "./until.ts";

export type DnsUnderTest = ConsulUnderTest & { readonly dnsPort: number };

export function dnsContract(name: string, start: () => Promise<DnsUnderTest>): void {
  describe(`DNS of ${name}`, { timeout: TEST_LIMIT_MS }, () => {
    let server: DnsUnderTest | undefined;
    const { consul, fresh, raw } = useConsul(async () => (server = await start()));

    function resolver(): Resolver {
      const made = new Resolver({ timeout: 2000, tries: 2 });
      made.setServers([`127.0.0.1:${server?.dnsPort ?? 0}`]);
      return made;
    }

    type Given = {
      readonly name: string;
      readonly id: string;
      readonly address?: string;
      readonly port?: number;
      readonly tags?: readonly string[];
    };

    async function register(given: Given, status: "passing" | "warning" | "critical") {
      const { address = "127.0.0.2", port = 80, tags = [] } = given;
      const { directory } = consul();
      await directory.register({ ...given, address, port, tags, meta: {} }, 60);
      await directory.report(given.id, status, "");
      await until("it is in the catalog", async () =>
        (await directory.instances(given.name)).some(
          (it) => it.id === given.id && it.status === status,
        ),
      );
    }

    /** The code of a failure, or what was answered. */
    const codeOf = (asked: Promise<unknown>): Promise<unknown> =>
      asked.catch((error: unknown) => (error as { code: string }).code);

    test("a service's name leads to the addresses of its instances, without the critical ones", async () => {
      const name = fresh();
      await register({ name, id: `${name}-1`, address: "127.0.0.2" }, "passing");
      await register({ name, id: `${name}-2`, address: "127.0.0.3" }, "warning");
      await register({ name, id: `${name}-3`, address: "127.0.0.4" }, "critical");
      const at = `${name}.service.consul`;
      expect((await resolver().resolve4(at)).toSorted()).toEqual(["127.0.0.2", "127.0.0.3"]);
      expect(await resolver().resolve4(`${name}.SERVICE.dc1.Consul`)).toHaveLength(2);
      expect(await resolver().resolve4(at, { ttl: true })).toContainEqual({
        address: "127.0.0.2",
        ttl: 0,
      });
      await consul().directory.report(`${name}-1`, "critical", "");
      await until("it is not answered any more", async () => {
        return (await resolver().resolve4(at)).join() === "127.0.0.3";
      });
    });

    test("SRV tells the port, and a name that leads to the address", async () => {
      const name = fresh();
      await register({ name, id: `${name}-1`, address: "127.0.0.9", port: 8081 }, "passing");
      await register({ name, id: `${name}-2`, address: "", port: 8082 }, "passing");
      const found = await resolver().resolveSrv(`${name}.service.consul`);
      const brief = found.toSorted((a, b) => a.port - b.port);
      expect(brief.map(({ port, priority, weight }) => [port, priority, weight])).toEqual([
        [8081, 1, 1],
        [8082, 1, 1],
      ]);
      expect(brief[0]?.name).toBe("7f000009.addr.dc1.consul");
      expect(brief[1]?.name).toMatch(/\.node\.dc1\.consul$/);
      expect(await resolver().resolve4(brief[0]?.name ?? "")).toEqual(["127.0.0.9"]);
      expect(await resolver().resolve4(brief[1]?.name ?? "")).toEqual(["127.0.0.1"]);
    });

    test("a tag selects, in front of the name or as RFC 2782 has it", async () => {
      const name = fresh();
      await register({ name, id: `${name}-1`, tags: ["primary"], port: 1 }, "passing");
      await register({ name, id: `${name}-2`, tags: ["replica"], port: 2 }, "passing");
      const ports = async (at: string) =>
        (await resolver().resolveSrv(at)).map(({ port }) => port).toSorted((a, b) => a - b);
      expect(await ports(`primary.${name}.service.consul`)).toEqual([1]);
      expect(await ports(`_${name}._replica.service.consul`)).toEqual([2]);
      expect(await ports(`_${name}._tcp.service.consul`)).toEqual([1, 2]);
      expect(await codeOf(ports(`nosuch.${name}.service.consul`))).toBe("ENOTFOUND");
    });

    test("IPv6 addresses are AAAA, and a name without a record of the type is not unknown", async () => {
      const name = fresh();
      await register({ name, id: `${name}-1`, address: "2001:db8::9:1" }, "passing");
      const at = `${name}.service.consul`;
      expect(await resolver().resolve6(at)).toEqual(["2001:db8::9:1"]);
      expect(await codeOf(resolver().resolve4(at))).toBe("ENODATA");
      const [srv] = await resolver().resolveSrv(at);
      expect(await resolver().resolve6(srv?.name ?? "")).toEqual(["2001:db8::9:1"]);
    });

    test("a node's name leads to its address, and its meta are texts", async () => {
      const node = fresh();
      const body = { Node: node, Address: "10.0.0.7", NodeMeta: { rack: "7", "rfc1035-a": "b" } };
      await raw("PUT", "catalog/register", JSON.stringify(body));
      expect(await resolver().resolve4(`${node}.node.consul`)).toEqual(["10.0.0.7"]);
      expect(await resolver().resolve4(`${node}.node.dc1.consul`)).toEqual(["10.0.0.7"]);
      const texts = (await resolver().resolveTxt(`${node}.node.consul`)).flat();
      expect(texts.toSorted()).toEqual(["b", "rack=7"]);
    });

    test("what is not there is unknown, and what is not Consul's is refused", async () => {
      const unknown = ["service.consul", "node.consul", "nosuchkind.consul"];
      for (const below of unknown)
        expect(await codeOf(resolver().resolve4(`${fresh()}.${below}`))).toBe("ENOTFOUND");
      expect(await codeOf(resolver().resolve4("example.org"))).toBe("EREFUSED");
    });

    test("the domain has its SOA", async () => {
      const soa = await resolver().resolveSoa("consul");
      expect(soa).toMatchObject({
        nsname: "ns.consul",
        hostmaster: "hostmaster.consul",
        minttl: 0,
      });
    });
  });
}
