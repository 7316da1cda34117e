// recipes/workshop: two applications that ask each other, behind nginx, while instances come and go.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { connect, consulAt } from "../../src/consul/client.ts";
import { startDevAgent } from "../../src/consul/dev-agent/start.ts";
import { cleanEnv } from "../cli/cli.ts";
import { until } from "../contract/until.ts";
import { request, startLoad } from "./load.ts";
import { findNginx, startNginx } from "./nginx.ts";
import { startRenderer } from "./renderer-process.ts";

const WORKSHOP = fileURLToPath(new URL("../../recipes/workshop", import.meta.url));

type Kind = "customers" | "sales";

type App = {
  readonly id: string;
  readonly pid: number;
  readonly url: string;
  /** Leaves the catalogue, and ends when its last request is answered: its exit code. */
  leave(): Promise<number | null>;
};

type Page = {
  readonly from: number;
  readonly others: boolean;
  readonly page: readonly Record<string, unknown>[];
};

const nginxTool = await findNginx();
if ("why" in nginxTool) {
  console.warn(`SKIPPED: the recipe of the workshop: ${nginxTool.why}`);
  describe.skip(`the recipe of the workshop: skipped, ${nginxTool.why}`, () => {
    test("needs the nginx program", () => undefined);
  });
} else
  test("customers and sales find each other, scaled up and down, without a failed request", async () => {
    const dir = await mkdtemp(join(tmpdir(), "autopilot-workshop-"));
    const agent = await startDevAgent({ port: 0, file: join(dir, "kv.log") });
    const consul = connect(consulAt(agent.url));
    const ends: (() => PromiseLike<unknown>)[] = [];
    onTestFinished(async () => {
      for (const end of ends.toReversed()) await end();
      consul.close();
      await agent[Symbol.asyncDispose]();
      await rm(dir, { recursive: true });
    });

    /** What the jobs of its configuration do. */
    async function start(kind: Kind, name: string): Promise<App> {
      const upstreams = join(dir, `${name}.json`);
      const child = spawn(process.execPath, [join(WORKSHOP, `${kind}.ts`)], {
        env: cleanEnv({ PORT: "0", BIND: "127.0.0.1", UPSTREAMS: upstreams }),
        stdio: ["ignore", "pipe", "ignore"],
      });
      let out = "";
      child.stdout.on("data", (data) => (out += String(data)));
      const exit = once(child, "exit") as Promise<[number | null]>;
      ends.push(async () => {
        child.kill("SIGKILL");
        await exit;
      });
      const port = Number(
        await until(`${name} listens`, () => /listens on (\d+)/.exec(out)?.[1] ?? null),
      );
      const id = name;
      await consul.directory.register(
        { id, name: kind, address: "127.0.0.1", port, tags: [], meta: {} },
        null,
      );
      const template = join(WORKSHOP, "upstreams.json.tmpl");
      const renderer = startRenderer(
        [
          `${template}:${upstreams}:kill -HUP ${child.pid}`,
          "--consul",
          agent.url,
          "--wait",
          "20ms",
        ],
        { UPSTREAM: kind === "sales" ? "customers" : "sales" },
      );
      ends.push(() => renderer[Symbol.asyncDispose]());
      return {
        id,
        pid: child.pid ?? 0,
        url: `http://127.0.0.1:${port}`,
        async leave() {
          await consul.directory.deregister(id);
          await until(
            "nobody is sent to it any more",
            async () => !(await everybody()).has(child.pid ?? 0),
          );
          child.kill("SIGTERM");
          return (await exit)[0];
        },
      };
    }

    await using nginx = await startNginx(nginxTool, agent.url);
    const page = async (path: string): Promise<Page> =>
      JSON.parse((await request(`${nginx.url}${path}`)).body) as Page;
    /** Which processes answer, in a dozen requests; while nginx knows them, each gets its share. */
    async function everybody(): Promise<ReadonlySet<number>> {
      const pages = await Promise.all(
        ["/customers/", "/sales/"].flatMap((path) =>
          Array.from({ length: 12 }, () => page(path).catch(() => null)),
        ),
      );
      return new Set(pages.map((it) => it?.from ?? 0));
    }

    const customers = await start("customers", "customers-1");
    // Alone it is up, and says that it does not know.
    await until(
      "customers are behind nginx",
      async () => (await page("/customers/")).from === customers.pid,
    );
    expect(await page("/customers/")).toMatchObject({ others: false });
    expect((await page("/customers/")).page[0]).toMatchObject({ soldToBy: null });
    expect((await request(`${nginx.url}/sales/`)).status).toBe(404);

    const sales = await start("sales", "sales-1");
    await until("customers know sales", async () => (await page("/customers/")).others);
    expect((await page("/customers/")).page[0]).toMatchObject({ soldToBy: "Grace" });
    await until("sales know customers", async () => (await page("/sales/")).others);
    expect((await page("/sales/")).page[0]).toMatchObject({ name: "Ada", customers: 1 });

    const load = startLoad(`${nginx.url}/customers/`, 4);
    const second = await start("sales", "sales-2");
    const third = await start("customers", "customers-2");
    const all = [customers, sales, second, third].map(({ pid }) => pid);
    await until("all four answer", async () => {
      const seen = await everybody();
      return all.every((pid) => seen.has(pid));
    });
    const upstreamsOf = async (app: App): Promise<number> =>
      (JSON.parse((await request(`${app.url}/health`)).body) as { upstreams: string[] }).upstreams
        .length;
    for (const app of [customers, third, sales, second])
      await until(`${app.id} knows both of the others`, async () => (await upstreamsOf(app)) === 2);

    expect(await sales.leave()).toBe(0);
    expect(await customers.leave()).toBe(0);
    for (const app of [third, second])
      await until(
        `${app.id} knows the one that is left`,
        async () => (await upstreamsOf(app)) === 1,
      );
    expect(await page("/customers/")).toMatchObject({ from: third.pid, others: true });
    expect(await second.leave()).toBe(0);
    await until("customers are alone again", async () => (await upstreamsOf(third)) === 0);
    expect((await request(`${nginx.url}/sales/`)).status).toBe(404);
    await load.stop();
    expect(load.failures).toEqual([]);
  });
