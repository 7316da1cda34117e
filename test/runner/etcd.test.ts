// The runner on etcd: what it registers and watches there, and what becomes of a service that nobody speaks for any more.
import { rmSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectEtcd, type Etcd } from "../../src/etcd/client.ts";
import { etcdFrom } from "../../src/etcd/config.ts";
import { findEtcd, startEtcdServer, type EtcdUnderTest } from "../contract/etcd-server.ts";
import { until } from "../contract/until.ts";
import { Runner } from "./runner.ts";

const found = await findEtcd();
if ("why" in found) console.warn(`SKIPPED: the runner on etcd: ${found.why}`);

describe.skipIf("why" in found)("on etcd", () => {
  let server: EtcdUnderTest;
  const open: Etcd[] = [];
  beforeAll(async () => {
    if ("argv" in found) server = await startEtcdServer(found.argv);
  });
  afterAll(async () => {
    for (const etcd of open) etcd.close();
    await server[Symbol.asyncDispose]();
  });

  const at = (prefix: string): Etcd => {
    const etcd = connectEtcd(etcdFrom({ endpoints: [server.url], prefix }, {}));
    open.push(etcd);
    return etcd;
  };
  const statusOf = async (etcd: Etcd, name: string): Promise<string> =>
    (await etcd.directory.instances(name))[0]?.status ?? "absent";
  const becomes = (etcd: Etcd, name: string, status: string): Promise<unknown> =>
    until(`${name} is ${status}`, async () => (await statusOf(etcd, name)) === status);
  const catalogue = (prefix: string): string =>
    `etcd: { endpoints: ["${server.url}"], prefix: "${prefix}" }`;
  const WEB = `{ name: "web", exec: "sleep 600", port: 8080, interfaces: "static:10.0.0.7", tags: ["blue"],
    health: { exec: "test ! -e DIR/sick", interval: 1, ttl: 3 } }`;

  test("a service is registered, watched, critical at once, registered again where it was forgotten, and leaves", async () => {
    const etcd = at("/first");
    await using runner = new Runner(
      `watches: [{ name: "web", interval: 1, tag: "blue" }, { name: "settings", key: "app/settings" }],
       jobs: [ ${WEB},
        { name: "onWeb", exec: ["sh", "-c", "echo web $AUTOPILOT_WATCH_ALL"], when: { source: "watch.web", each: "healthy" } },
        { name: "onKey", exec: ["sh", "-c", "echo key $AUTOPILOT_WATCH_ALL"], when: { source: "watch.settings", each: "changed" } },
      ]`,
      { catalogue: catalogue("/first") },
    );
    runner.start();
    await runner.says(/onWeb \d+ web 10\.0\.0\.7:8080$/);
    const [web] = await etcd.directory.instances("web");
    expect(web).toMatchObject({ address: "10.0.0.7", port: 8080, tags: ["blue"] });
    await etcd.kv.commit([{ do: "set", key: "app/settings", value: "1" }]);
    await runner.says(/onKey \d+ key app\/settings$/);
    writeFileSync(`${runner.dir}/sick`, "");
    await becomes(etcd, "web", "critical");
    rmSync(`${runner.dir}/sick`);
    await becomes(etcd, "web", "passing");
    await etcd.directory.deregister(web?.id ?? "");
    await runner.says("forgotten by the catalogue, registered again");
    await becomes(etcd, "web", "passing");
    expect((await runner.stop()).code).toBe(0);
    expect(await statusOf(etcd, "web")).toBe("absent");
  });

  test("a reload moves it to another prefix; a runner that is killed leaves nothing behind", async () => {
    const [first, second] = [at("/one"), at("/two")];
    await using runner = new Runner(`jobs: [${WEB}]`, { catalogue: catalogue("/one") });
    runner.start();
    await becomes(first, "web", "passing");
    const text = `{ ${catalogue("/two")}, control: { socket: "${runner.socket}" }, jobs: [${WEB}] }`;
    writeFileSync(runner.file, text.replaceAll("DIR", runner.dir));
    expect((await runner.ask("-reload")).code).toBe(0);
    await becomes(second, "web", "passing");
    expect(await statusOf(first, "web")).toBe("absent");
    runner.kill("SIGKILL");
    await becomes(second, "web", "absent");
  });
});

test("without its etcd jobs run all the same, and the password is in no line", async () => {
  await using runner = new Runner(
    `jobs: [{ name: "web", exec: ["sh", "-c", "echo key $ETCDCTL_PASSWORD; exec sleep 600"], port: 8080, interfaces: "static:10.0.0.7",
      health: { exec: "true", interval: 1, ttl: 3 } }]`,
    { catalogue: `etcd: { endpoints: ["127.0.0.1:1"] }` },
  );
  runner.start({ ETCDCTL_USER: "web", ETCDCTL_PASSWORD: "correct-horse" });
  await runner.says(/web \d+ key \*\*\*$/);
  await runner.says(/service web: etcd at http:\/\/127\.0\.0\.1:1: register service/);
  expect(runner.output).not.toContain("correct-horse");
  expect((await runner.stop()).code).toBe(0);
});
