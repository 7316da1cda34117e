// The drop-in binary, and `autopilot config check` of ContainerPilot's files: what is printed, and with which exit code.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseFlags } from "../../src/cli/containerpilot-flags.ts";
import { cleanEnv, cli, type Answer } from "./cli.ts";

const BINARY = fileURLToPath(new URL("../../src/containerpilot.ts", import.meta.url));

let dir = "";
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "autopilot-containerpilot-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
}

async function containerpilot(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const own = Object.entries(cleanEnv(env)).filter(
    ([name]) => !/^CONTAINER(PILOT|BUDDY)/.test(name) || name in env,
  );
  const child = spawn(process.execPath, [BINARY, ...argv], {
    env: Object.fromEntries(own),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (data) => (stdout += String(data)));
  child.stderr.on("data", (data) => (stderr += String(data)));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

const V3 = `{ consul: "{{ .CONSUL | default "consul" }}:8500", jobs: [{ name: "app", exec: "app {{ .DB_PASSWORD }}" }] }`;
const V2 = `{ "consul": { "address": "consul:8500", "token": "geheim" }, "services": [{ "name": "web", "port": 80, "poll": 1, "ttl": 5 }] }`;

describe("containerpilot", () => {
  test("tells its version, whatever else is asked", async () => {
    const { code, stdout } = await containerpilot(["-reload", "--version", "-config", "/nowhere"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Version: \d+\.\d+\.\d+\nGitHash: .+\n$/);
    const { version } = JSON.parse(
      readFileSync(join(import.meta.dirname, "../../package.json"), "utf8"),
    ) as { version: string };
    expect(stdout).toContain(`Version: ${version}\n`);
  });

  test("renders a template to stdout or into a file, without looking at what it is", async () => {
    const template = file("x.json5", `{ not: checked, {{ .WHO | default "you" }} }\n`);
    const shown = await containerpilot(["-config", template, "-template"], { WHO: "me" });
    expect(shown).toEqual({ code: 0, stdout: "{ not: checked, me }\n", stderr: "" });
    expect(
      (await containerpilot([`-config=${template}`, "-template=true", "-out", "-"])).stdout,
    ).toBe("{ not: checked, you }\n");
    const out = join(dir, "out.json5");
    const written = await containerpilot(["-template", "-out", out], { CONTAINERPILOT: template });
    expect(written).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(readFileSync(out, "utf8")).toBe("{ not: checked, you }\n");
    expect(statSync(out).mode & 0o777).toBe(0o644);
  });

  test("finds its configuration by flag, by variable, behind file:// and in the variable itself, and runs it", async () => {
    const jobs = `{ discovery: "none", control: { socket: "" }, jobs: [{ name: "app", exec: "echo it runs" }] }`;
    const path = file("runs.json5", jobs);
    const old = `{ "consul": "127.0.0.1:9" }`;
    const ways = [
      [["-config", path], {}],
      [["--config", `file://${path}`], {}],
      [[], { CONTAINERPILOT: path }],
      [["echo", "it runs"], { CONTAINERPILOT: old }],
      [["echo", "it runs"], { CONTAINERBUDDY: `file://${file("v1.json", old)}` }],
    ] as const;
    for (const [argv, env] of ways) {
      const { code, stdout, stderr } = await containerpilot(argv, env);
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toContain("it runs\n");
    }
  });

  test("`autopilot run` runs such a file too", async () => {
    const path = file(
      "run.json5",
      `{ discovery: "none", control: { socket: "" }, jobs: [{ name: "app", exec: ["sh", "-c", "exit 6"] }] }`,
    );
    expect((await cli(["run", "-c", path])).code).toBe(6);
  });

  test("a verb without a runner, or without a socket, is one clear error", async () => {
    const path = file("v3.json5", V3);
    for (const flags of [
      ["-reload"],
      ["-ping"],
      ["-maintenance", "enable"],
      ["-putenv", "A=b"],
      ["-putmetric", "a=1"],
    ]) {
      const { code, stdout, stderr } = await containerpilot([...flags, "-config", path], {
        DB_PASSWORD: "hunter22",
      });
      expect([code, stdout]).toEqual([1, ""]);
      expect(stderr).toMatch(/^containerpilot: [^\n]+ \[AP_CONTROL_UNREACHABLE\]\n$/);
    }
    const without = file("without.json5", `{ consul: "x", control: { socket: "" } }`);
    expect((await containerpilot(["-ping", "-config", without])).stderr).toContain(
      "control.socket is empty",
    );
  });

  test("a wrong configuration is 1 with all problems, wrong flags are 2", async () => {
    const wrong = file("wrong.json5", `{ jobs: [{ exec: "x" }] }`);
    const told = await containerpilot(["-config", wrong]);
    expect(told.code).toBe(1);
    expect(told.stderr.trimEnd().split("\n").slice(1)).toEqual([
      "  jobs[0].name: it is missing",
      expect.stringContaining("  consul: no discovery backend defined"),
    ]);
    expect((await containerpilot([])).stderr).toContain("-config flag is required");
    expect(await containerpilot(["-config", "/nowhere.json5"])).toMatchObject({ code: 1 });
    const flags = await containerpilot(["-confg", wrong]);
    expect(flags.code).toBe(2);
    expect(flags.stderr).toContain(
      "flag provided but not defined: -confg (hint: did you mean -config?)",
    );
    expect((await containerpilot(["-help"])).stdout).toContain("-reload ");
  });

  test("flags are Go's: one dash or two, = or a space, and the first other word ends them", () => {
    expect(parseFlags(["-config", "a", "--out=b", "-template", "cmd", "-x"])).toMatchObject({
      config: "a",
      out: "b",
      template: true,
      command: ["cmd", "-x"],
    });
    expect(parseFlags(["-template=false", "--", "-x"])).toMatchObject({
      template: false,
      command: ["-x"],
    });
    expect(parseFlags(["-ping", "-putmetric", "a=1", "-reload"]).verbs).toEqual([
      "reload",
      "putmetric",
      "ping",
    ]);
    for (const [argv, why] of [
      [["-config"], "flag needs an argument: -config"],
      [["-reload=maybe"], "invalid boolean value"],
      [["-putenv", "SECRET"], "-putenv wants KEY=VALUE"],
      [["---x"], "bad flag syntax"],
    ] as const)
      expect(() => parseFlags(argv)).toThrow(why);
    expect(() => parseFlags(["-putenv", "geheim"])).not.toThrow("geheim");
  });
});

describe("config check of ContainerPilot's files", () => {
  test("shows every value with its origin, and no secret", async () => {
    const path = file("v3.json5", V3);
    const env = { DB_PASSWORD: "hunter22", CONSUL_HTTP_TOKEN: "geheim-1" };
    const { code, stdout, stderr } = await cli(["config", "check", path], { env });
    expect(code).toBe(0);
    expect(stderr).toBe(`${path}: a configuration of ContainerPilot 3\n`);
    expect(stdout).toMatch(/^consul\.address +"consul:8500" +file$/m);
    expect(stdout).toMatch(/^consul\.token +"\*\*\*" +CONSUL_HTTP_TOKEN$/m);
    expect(stdout).toMatch(/^jobs\[0\]\.exec +"app \*\*\*" +file$/m);
    expect(stdout).toMatch(/^jobs\[0\]\.stopSignal +"SIGTERM" +default$/m);
    expect(stdout).not.toMatch(/hunter22|geheim/);
    const json = JSON.parse(
      (await cli(["config", "check", path, "--json"], { env })).stdout,
    ) as object;
    expect(json).toMatchObject({
      file: path,
      format: "v3",
      warnings: [],
      v3: { jobs: [{ exec: "app ***" }] },
    });
  });

  test("prints an old one as v3, which is a configuration itself", async () => {
    const path = file("v2.json", V2);
    const { code, stdout } = await cli(["config", "check", "--as-v3", path, "--", "node", "-x"]);
    expect(code).toBe(0);
    expect(stdout).not.toContain("geheim");
    expect(JSON.parse(stdout)).toMatchObject({
      consul: { address: "consul:8500", token: "***" },
      jobs: [
        { name: "app", exec: ["node", "-x"] },
        { name: "web", port: 80 },
      ],
    });
    const again = file("translated.json5", stdout);
    expect(await cli(["config", "check", again])).toMatchObject({ code: 0 });
  });

  test("tells all problems at once, with 78", async () => {
    const path = file(
      "bad.json5",
      `{ consul: "c:1", jobs: [{ name: "a", exec: "x", when: { source: "b" } }, { nam: "x" }] }`,
    );
    const { code, stdout, stderr } = await cli(["config", "check", path]);
    expect([code, stdout]).toEqual([78, ""]);
    const [head, ...lines] = stderr.trimEnd().split("\n");
    expect(head).toContain("bad.json5: 4 problems");
    expect(lines).toHaveLength(4);
  });

  test("a recipe beside the jobs is checked too", async () => {
    const secrets = "admin replication clone peer app"
      .split(" ")
      .map((name) => `${name}: "/s/${name}"`);
    const node = `recipe: "mysql", node: { name: "n1", cluster: "main", dir: "d" }, mysql: { secrets: { ${secrets.join(", ")} } }`;
    const both = await cli([
      "config",
      "check",
      file("both.json5", `{ ${node}, consul: "c:8500", jobs: [{ name: "x", exec: "x" }] }`),
    ]);
    expect(both.code).toBe(0);
    expect(both.stdout).toMatch(/^jobs\[0\]\.name +"x" +file$/m);
    expect(both.stdout).toMatch(/^mysql\.port +3306 +default$/m);
    expect(both.stderr).toContain("`autopilot run` does not run the jobs beside it yet");
    const wrong = await cli([
      "config",
      "check",
      file("both2.json5", `{ ${node}, nod: {}, consul: "c:8500", jobs: [] }`),
    ]);
    expect([wrong.code, wrong.stderr]).toEqual([
      78,
      expect.stringContaining("nod: unknown key, did you mean node?"),
    ]);
    const recipe = file("recipe.json5", `{ ${node} }`);
    expect(await cli(["config", "check", "--as-v3", recipe])).toMatchObject({ code: 64 });
    expect(await cli(["config", "check", recipe])).toMatchObject({ code: 0 });
  });
});
