// The control socket and its verbs, reloading, and a flood of everything.
import { describe, expect, test } from "vitest";
import { until } from "../contract/until.ts";
import { isAlive, Runner } from "./runner.ts";

const sh = (script: string): string => JSON.stringify(["sh", "-c", script]);

/** Each start writes its pid into its own file. */
const job = (name: string, arg: string, more = ""): string =>
  `{ name: "${name}", exec: ${sh(`echo $$ ${arg} >> DIR/${name}; exec sleep 600`)} ${more} }`;

describe("the control socket", () => {
  test("answers the documented paths, and says what it does not take", async () => {
    await using runner = new Runner(`jobs: [${job("app", "1")}]`);
    runner.start();
    await runner.written("app");
    expect(await runner.control("/v3/ping", "", "GET")).toEqual([200, "ok\n"]);
    expect(await runner.control("/v3/env", `{"A": null}`)).toEqual([200, `{"updated":true}\n`]);
    const refused = [
      ["/v3/environ", `{"A": 1}`, "POST", 422],
      ["/v3/environ", `{"A=B": "c"}`, "POST", 422],
      ["/v3/environ", `[1]`, "POST", 422],
      ["/v3/metric", `no json`, "POST", 422],
      ["/v3/reload", "", "GET", 405],
      ["/v3/nothing", "", "POST", 404],
      ["/v3/environ", "x".repeat(100_000), "POST", 413],
    ] as const;
    for (const [path, body, method, status] of refused)
      expect([path, (await runner.control(path, body, method))[0]]).toEqual([path, status]);
    // A second runner does not take the socket of one that runs.
    const second = await runner.ask();
    expect([second.code, second.stderr]).toEqual([1, expect.stringContaining("AP_NODE_RUNNING")]);
    expect((await runner.stop()).code).toBe(0);
    const gone = await runner.ask("-ping");
    expect([gone.code, gone.stderr]).toEqual([
      1,
      expect.stringContaining("AP_CONTROL_UNREACHABLE"),
    ]);
  });
});

describe("reloading", () => {
  test("defect 6: a broken configuration changes nothing and says why; defect 5: a good one only what changed", async () => {
    const stays = job("stays", "1");
    await using runner = new Runner(
      `jobs: [${stays}, ${job("changes", "1", ", restarts: 1, backoff: { first: 0 }")}]`,
    );
    runner.start();
    const first = Number((await runner.written("changes")).split(" ")[0]);
    await runner.written("stays");
    runner.write(`jobs: [{ name: "stays", exce: "typo" }]`);
    const broken = await runner.ask("-reload");
    expect([broken.code, broken.stderr]).toEqual([1, expect.stringContaining("exce")]);
    const [status, why] = await runner.control("/v3/reload");
    expect([status, why]).toEqual([422, expect.stringContaining("did you mean exec?")]);
    runner.write(`logging: { output: "DIR/missing/log" }, jobs: [${stays}]`);
    expect((await runner.control("/v3/reload"))[0]).toBe(422);
    expect(isAlive(first)).toBe(true);

    // One restart is all that it has, until a reload brings another.
    process.kill(first);
    await until("it was restarted", () => runner.read("changes").split("\n").length === 3);
    runner.write(
      `jobs: [${stays}, ${job("changes", "2", ", restarts: 1, backoff: { first: 0 }")}]`,
    );
    expect((await runner.ask("-reload")).code).toBe(0);
    await until("the changed one runs", () => / 2\n/.test(runner.read("changes")));
    process.kill(Number(runner.read("changes").trim().split("\n").at(-1)?.split(" ")[0]));
    await until("and is restarted", () => runner.read("changes").match(/ 2\n/g)?.length === 2);
    expect(runner.read("stays").split("\n")).toHaveLength(2);

    // Two hundred at once are few, and each is answered by a reload that began after it was asked for.
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => runner.control("/v3/reload")),
    );
    expect(new Set(answers.map(([code]) => code))).toEqual(new Set([200]));
    expect(runner.lines(/reloaded app/).length).toBeLessThan(10);
    expect(runner.read("stays").split("\n")).toHaveLength(2);
    expect((await runner.stop()).code).toBe(0);
  });

  test("v2: SIGHUP reloads and leaves the command alone; the command's code is the container's", async () => {
    await using runner = new Runner("");
    const { writeFileSync } = await import("node:fs");
    writeFileSync(
      runner.file,
      `{ "consul": "127.0.0.1:9", "preStart": ["sh", "-c", "echo before"],
      "postStop": "echo after", "coprocesses": [{ "command": ["sleep", "600"], "name": "side" }] }`,
    );
    runner.start(
      {},
      { argv: ["sh", "-c", "trap 'exit 5' TERM; echo main; while :; do sleep 0.05; done"] },
    );
    await runner.says(/^main$/);
    expect(runner.output.indexOf("before")).toBeLessThan(runner.output.indexOf("main\n"));
    runner.kill("SIGHUP");
    await runner.says("reloaded app");
    expect(await runner.stop()).toEqual({ code: 5, signal: null });
    expect(runner.output).toMatch(/postStop \d+ after$/m);
    expect(runner.lines(/^main$/)).toHaveLength(1);
  });
});

describe("a flood", () => {
  test("of signals and of failing jobs leaves it answering, and SIGTERM ends it", async () => {
    await using runner = new Runner(`jobs: [
      { name: "app", exec: "sleep 600" },
      { name: "loops", exec: "false", restarts: "unlimited", backoff: { first: 0, most: 0 }, exit: { code: "ignored" } },
      { name: "onHup", exec: ${sh("echo 1 >> DIR/hups; sleep 0.01")}, when: { source: "SIGHUP", overlap: "queue" } },
      { name: "often", exec: "true", when: { interval: "1ms" }, timeout: "1s" },
    ]`);
    runner.start();
    await runner.says("control: serving at");
    for (let i = 0; i < 300; i++) runner.kill("SIGHUP");
    await runner.written("hups");
    expect(await runner.control("/v3/ping")).toEqual([200, "ok\n"]);
    const { code } = await runner.stop();
    expect(code).toBe(0);
  });
});
