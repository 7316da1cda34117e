// recipes/nginx with the real nginx: from nobody in the catalogue to many and back, and reloaded under load.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { connect, consulAt, type Consul } from "../../src/consul/client.ts";
import { startDevAgent } from "../../src/consul/dev-agent/start.ts";
import { until } from "../contract/until.ts";
import { request, startBackend, startLoad } from "./load.ts";
import { findNginx, startNginx } from "./nginx.ts";

const RELOADS = 24;
const LANES = 8;

async function startConsul(): Promise<{ readonly consul: Consul; readonly url: string }> {
  const dir = await mkdtemp(join(tmpdir(), "autopilot-nginx-consul-"));
  const agent = await startDevAgent({ port: 0, file: join(dir, "kv.log") });
  const consul = connect(consulAt(agent.url));
  onTestFinished(async () => {
    consul.close();
    await agent[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });
  return { consul, url: agent.url };
}

const instance = (name: string, port: number, more: object = {}) => ({
  id: `${name}-${port}`,
  name,
  address: "127.0.0.1",
  port,
  tags: [],
  meta: {},
  ...more,
});

const unanswered = (error: unknown) => ({ status: 0, body: String(error) });

const found = await findNginx();
if ("why" in found) {
  console.warn(`SKIPPED: the recipe of nginx: ${found.why}`);
  describe.skip(`the recipe of nginx: skipped, ${found.why}`, () => {
    test("needs the nginx program", () => undefined);
  });
} else
  describe("nginx in front of everything in the catalogue", () => {
    test("starts and reloads with nobody, and has a location only where the service exists", async () => {
      const { consul, url } = await startConsul();
      await using nginx = await startNginx(found, url);
      await using web = await startBackend("web answers");
      const { directory } = consul;
      const becomes = (path: string, status: number, body: RegExp) =>
        until(`${path} is ${status}`, async () => {
          const answer = await request(`${nginx.url}${path}`);
          return answer.status === status && body.test(answer.body);
        });
      await becomes("/web/", 404, /no such service/);
      await directory.register(instance("web", web.port), 60);
      await becomes("/web/", 503, /no healthy instance/);
      await directory.report(`web-${web.port}`, "passing", "");
      await becomes("/web/any/path", 200, /^web answers$/);
      await becomes("/consul/", 404, /no such service/);
      // What anybody may register must not break the others' upstreams.
      await directory.register(instance("a;}evil{", 80), null);
      await directory.register(instance("no-port", 0), null);
      await directory.register(instance("by-name", 80, { address: "nobody.invalid" }), null);
      await directory.register(instance("by-six", web.port, { address: "::1" }), null);
      await becomes("/by-name/", 503, /no healthy instance/);
      await becomes("/no-port/", 503, /no healthy instance/);
      await becomes("/by-six/", 502, /Bad Gateway/);
      await becomes("/web/", 200, /^web answers$/);
      expect(await readFile(join(nginx.prefix, "nginx.conf"), "utf8")).not.toContain("evil");
      const ids = [
        "a;}evil{-80",
        "no-port-0",
        "by-name-80",
        `by-six-${web.port}`,
        `web-${web.port}`,
      ];
      for (const id of ids) await directory.deregister(id);
      await becomes("/web/", 404, /no such service/);
      await becomes("/by-six/", 404, /no such service/);
      expect(nginx.renderer.log()).not.toContain("AP_RENDER_COMMAND");
    });

    test(`drops no request in ${RELOADS} reloads under load`, async () => {
      const { consul, url } = await startConsul();
      await using one = await startBackend("one");
      await using two = await startBackend("two");
      await consul.directory.register(instance("web", one.port), null);
      await using nginx = await startNginx(found, url);
      const load = startLoad(`${nginx.url}/web/`, LANES);
      const slow: Promise<{ readonly status: number; readonly body: string }>[] = [];
      for (let i = 1; i <= RELOADS; i++) {
        // Begun before a reload, and answered after all of them.
        if (i % 8 === 1) {
          slow.push(request(`${nginx.url}/web/slow`).catch(unanswered));
          await until(
            "the slow request is under way",
            () => one.held() + two.held() === slow.length,
          );
        }
        const before = load.answered();
        if (i % 2 === 1) await consul.directory.register(instance("web", two.port), null);
        else await consul.directory.deregister(`web-${two.port}`);
        await until(`reload ${i}`, () => nginx.reloads() >= i);
        await until("requests go on", () => load.answered() > before + LANES);
      }
      await load.stop();
      one.release();
      two.release();
      const ends = (await Promise.all(slow)).map(({ status, body }) => [status, body]);
      expect(ends).toEqual(
        slow.map(() => [200, expect.stringMatching(/^(one|two) begins and ends$/)]),
      );
      expect(load.failures).toEqual([]);
      expect([...load.bodies.keys()].toSorted()).toEqual(["one", "two"]);
      expect(load.answered()).toBeGreaterThan(RELOADS * LANES);
    });
  });
