// `autopilot render` as it is typed, without any Consul and on a real one.
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect, consulAt } from "../../src/consul/client.ts";
import { runRender } from "../../src/cli/render.ts";
import { cli } from "../cli/cli.ts";
import { findConsul, startConsulServer } from "../contract/consul-server.ts";
import { until } from "../contract/until.ts";
import { startRenderer } from "./renderer-process.ts";

let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "autopilot-render-cli-"));
});
afterAll(() => rm(dir, { recursive: true }));

const text = (name: string): Promise<string> => readFile(join(dir, name), "utf8");

describe("autopilot render, mistyped", () => {
  const NOWHERE = { CONSUL_HTTP_ADDR: "127.0.0.1:1" };

  test("each thing that is wrong is one clear error, and writes nothing", async () => {
    const at = (name: string): string => join(dir, name);
    await writeFile(at("good"), "{{env `HOME`}}");
    await writeFile(at("bad"), "line one\n {{range services}}");
    await writeFile(at("unknown"), "{{secret `x`}}");
    const before = await readdir(dir);
    const options = { wait: "100ms", timeout: "30s", limit: "60s" };
    const good = `${at("good")}:${at("a")}`;
    const wrong: readonly (readonly [readonly string[], object, number, string])[] = [
      [[at("good")], {}, 64, "it does not say where to write"],
      [[good, `${at("bad")}:${at("./a")}`], {}, 64, "two templates are to be written to"],
      [Array.from({ length: 101 }, (_, i) => `${good}${i}`), {}, 64, "more than 100 targets"],
      [[good], { wait: "5" }, 64, '--wait 5: expected a duration like "100ms"'],
      [[good], { wait: "2s:1s" }, 64, "MAX not below MIN"],
      [[good], { timeout: "2d" }, 64, "--timeout 2d"],
      [[`${at("bad")}:${at("a")}`], {}, 78, "bad:2:20: {{end}} is missing"],
      [[`${at("unknown")}:${at("a")}`], {}, 78, "unknown:1:3: there is no function secret"],
      [[`${at("missing")}:${at("a")}`], {}, 78, "missing: ENOENT"],
      [[good], { consul: "::::" }, 78, "is no address"],
    ];
    for (const [words, more, exitCode, why] of wrong) {
      const rejected = expect(runRender(words, { ...options, ...more })).rejects;
      await rejected.toMatchObject({ exitCode, message: expect.stringContaining(why) });
    }
    expect(await readdir(dir)).toEqual(before);
    const typed = await cli(["render", `${at("bad")}:${at("a")}`], { env: NOWHERE });
    expect(typed.code).toBe(78);
    expect(typed.stderr).toMatch(/^autopilot: .*bad:2:20: .*\[AP_TEMPLATE_INVALID\]\n$/);
  });

  test("--once says what gave no answer when its limit is over", async () => {
    await writeFile(join(dir, "asks"), "{{range service `web`}}{{end}}{{key `a`}}");
    const argv = ["render", "asks:out", "--once", "--limit", "300ms"];
    const { code, stderr } = await cli(argv, { cwd: dir, env: NOWHERE });
    expect(code).toBe(69);
    expect(stderr).toContain("[AP_CONSUL_UNREACHABLE]");
    expect(stderr).toContain("not rendered after 0.3 s: no answer for service web, key a ");
  });

  test("a template that asks nobody needs no Consul; a failing command is the exit code", async () => {
    const once = (target: string) =>
      cli(["render", target, "--once"], { cwd: dir, env: { ...NOWHERE, HOME: "/h" } });
    expect(await once("good:fine:echo ran")).toMatchObject({ code: 0, stdout: "ran\n" });
    expect(await text("fine")).toBe("/h");
    expect(await once("good:fine:echo ran")).toMatchObject({ code: 0, stdout: "" });
    const failed = await once("good:other:exit 3");
    expect(failed.code).toBe(69);
    expect(failed.stderr).toContain("it exited with 3");
    const dry = await cli(["render", "good:dry:echo ran", "--dry"], {
      cwd: dir,
      env: { HOME: "/h" },
    });
    expect(dry).toMatchObject({ code: 0, stdout: "> dry\n/h\n" });
    expect(await readdir(dir)).not.toContain("dry");
  });
});

const found = await findConsul();
if ("why" in found) {
  console.warn(`SKIPPED: rendering from a real Consul: ${found.why}`);
  describe.skip(`rendering from a real Consul: skipped, ${found.why}`, () => {
    test("needs the Consul program", () => undefined);
  });
} else
  test("follows services, health, tags and keys of a real Consul, also through its crash", async () => {
    await using server = await startConsulServer(found.argv);
    const consul = connect(consulAt(server.url));
    const web = (n: number, tags: readonly string[] = []) => ({
      id: `web-${n}`,
      name: "web",
      address: "10.0.0.1",
      port: 8000 + n,
      tags,
      meta: {},
    });
    await writeFile(
      join(dir, "t"),
      [
        '{{range service "web"}}{{.Port}} {{end}}',
        '{{range service "blue.web" "any"}}{{.Port}}={{.Status}} {{end}}',
        "{{range services}}{{.Name}} {{end}}",
        '{{keyOrDefault "greeting" "none"}}',
      ].join("|"),
    );
    const command = `echo ran >> ${join(dir, "runs")}`;
    const target = `${join(dir, "t")}:${join(dir, "followed")}:${command}`;
    await using renderer = startRenderer([target, "--consul", server.url, "--wait", "20ms"]);
    const becomes = (expected: string) =>
      until(`the file says ${expected}`, async () => (await text("followed")) === expected);

    await becomes("||consul |none");
    await consul.directory.register(web(1, ["blue"]), 60);
    await becomes("|8001=critical |consul web |none");
    await consul.directory.report("web-1", "passing", "");
    await becomes("8001 |8001=passing |consul web |none");
    await consul.directory.register(web(2), null);
    await becomes("8001 8002 |8001=passing |consul web |none");
    await consul.kv.commit([{ do: "set", key: "greeting", value: "hello" }]);
    await becomes("8001 8002 |8001=passing |consul web |hello");

    const runs = (await text("runs")).length;
    await server.restart();
    // The same data after the crash, but for the check, which has to be passed again: no file without upstreams between.
    await until("the agent answers", () =>
      consul.directory.report("web-1", "passing", "").then(() => true),
    );
    await consul.kv.commit([{ do: "set", key: "greeting", value: "again" }]);
    await becomes("8001 8002 |8001=passing |consul web |again");
    await until("the command ran again", async () => (await text("runs")).length > runs);

    await consul.directory.deregister("web-1");
    await consul.directory.deregister("web-2");
    await becomes("||consul |again");
    expect(await renderer.stop()).toBe(0);
    consul.close();
  });
