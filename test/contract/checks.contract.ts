// Registration with HTTP alone, as curl does it, and the checks that the agent itself runs.
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { TEST_LIMIT_MS, useConsul, type StartConsul } from "./consul-fixture.ts";
import { until } from "./until.ts";

export function checksContract(start: StartConsul): void {
  describe("checks that the agent runs", { timeout: TEST_LIMIT_MS }, () => {
    const { consul, fresh, raw } = useConsul(start);

    async function serving(): Promise<{
      port: number;
      answer(status: number): void;
      end(): Promise<void>;
    }> {
      let status = 200;
      const server: Server = createServer((request, response) => {
        response.statusCode = request.headers["x-asked-by"] === "check" ? status : 400;
        response.end("hello from the application");
      });
      await once(server.listen(0, "127.0.0.1"), "listening");
      const end = async (): Promise<void> => {
        if (!server.listening) return;
        server.closeAllConnections();
        await once(server.close(), "close");
      };
      onTestFinished(end);
      const { port } = server.address() as AddressInfo;
      return { port, answer: (next) => void (status = next), end };
    }

    const register = (body: object) => raw("PUT", "agent/service/register", JSON.stringify(body));

    const status = (name: string, wanted: string) =>
      until(`${name} is ${wanted}`, async () => {
        return (await consul().directory.instances(name))[0]?.status === wanted;
      });

    test("an HTTP check follows the answers: 2xx, 429 and others, and nobody there", async () => {
      const application = await serving();
      const name = fresh();
      const check = {
        HTTP: `http://127.0.0.1:${application.port}/health`,
        Header: { "X-Asked-By": ["check"] },
        Interval: "1s",
        Timeout: "500ms",
      };
      const done = await register({ Name: name, Port: application.port, Check: check });
      expect(done).toMatchObject({ status: 200, text: "" });
      await status(name, "passing");
      const checks = JSON.parse((await raw("GET", `health/checks/${name}`)).text) as object[];
      expect(checks).toMatchObject([
        { CheckID: `service:${name}`, Type: "http", Output: expect.stringContaining("hello from") },
      ]);
      application.answer(429);
      await status(name, "warning");
      application.answer(500);
      await status(name, "critical");
      application.answer(204);
      await status(name, "passing");
      await application.end();
      await status(name, "critical");
    });

    test("a TCP check follows the listener", async () => {
      const application = await serving();
      const name = fresh();
      const check = { TCP: `127.0.0.1:${application.port}`, Interval: "1s" };
      await register({ Name: name, Port: application.port, Checks: [check] });
      await status(name, "passing");
      await application.end();
      await status(name, "critical");
    });

    test("registering the same again does not disturb the check, and a deregistered one says nothing more", async () => {
      const application = await serving();
      const name = fresh();
      const check = { TCP: `127.0.0.1:${application.port}`, Interval: "1s" };
      await register({ Name: name, Port: application.port, Check: check });
      await status(name, "passing");
      await register({ Name: name, Port: application.port, Tags: ["new"], Check: check });
      await until("the tag is there, and it still passes", async () => {
        const [found] = await consul().directory.instances(name);
        return found?.tags[0] === "new" && found.status === "passing";
      });
      await raw("PUT", `agent/service/deregister/${name}`);
      await until("it is gone", async () => {
        return (await consul().directory.instances(name)).length === 0;
      });
    });

    test("what cannot be checked is refused", async () => {
      const name = fresh();
      const refused = [
        { HTTP: "http://127.0.0.1:1/" },
        { TCP: "127.0.0.1:1", Interval: "0s" },
        { Args: ["true"], Interval: "1s" },
      ];
      for (const check of refused) {
        const { status: code, text } = await register({ Name: name, Check: check });
        expect([400, 500]).toContain(code);
        expect(text).toMatch(/Invalid check|Interval|Scripts are disabled/i);
      }
      expect(await consul().directory.instances(name)).toEqual([]);
    });
  });
}
