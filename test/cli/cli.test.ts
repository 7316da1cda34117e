import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ERROR_CODES } from "../../src/error-codes.ts";
import { verbIn } from "../../src/cli/program.ts";
import { cli } from "./cli.ts";

let dir = "";
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "autopilot-cli-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

function config(name: string, text: string): string {
  const file = join(dir, name);
  writeFileSync(file, text);
  return file;
}

const secrets = "admin replication clone peer app"
  .split(" ")
  .map((name) => `${name}: "/s/${name}"`)
  .join(", ");

describe("the command line", () => {
  test("explains a code, and lists all of them", async () => {
    const one = await cli(["explain", "ap_port_in_use"]);
    expect(one).toMatchObject({ code: 0, stderr: "" });
    expect(one.stdout).toContain(ERROR_CODES.AP_PORT_IN_USE.means);
    expect(one.stdout).toContain(ERROR_CODES.AP_PORT_IN_USE.hint);
    const all = await cli(["explain"]);
    for (const code of Object.keys(ERROR_CODES)) expect(all.stdout).toContain(code);
    const json = await cli(["explain", "--json"]);
    expect(JSON.parse(json.stdout)).toEqual(ERROR_CODES);
  });

  test("an unknown code, verb, option or argument is one line and 64", async () => {
    const wrong = [
      [["explain", "AP_PORT_IN_USED"], "did you mean AP_PORT_IN_USE?"],
      [["explian"], "did you mean `autopilot explain`?"],
      [["up", "--nodse", "3"], "unknown option '--nodse'"],
      [["up", "--nodes", "three"], "expected a whole number"],
      [["node", "kick", "mysql-1"], "unknown command 'kick'"],
      [["node", "stop"], "missing required argument 'name'"],
      [["run"], "no configuration; give -c FILE"],
      [["run", "--what"], "--what"],
    ] as const;
    for (const [argv, why] of wrong) {
      const { code, stdout, stderr } = await cli(argv);
      expect([code, stdout]).toEqual([64, ""]);
      expect(stderr).toContain(why);
      expect(stderr).toMatch(/^autopilot: [^\n]+ \[AP_(USAGE|EXPLAIN_UNKNOWN)\]\n$/);
    }
  });

  test("help names our verbs and the recipe's, and is no error", async () => {
    const help = await cli(["--help"]);
    expect(help.code).toBe(0);
    for (const verb of ["up", "node", "events", "explain", "status", "switchover"])
      expect(help.stdout).toMatch(new RegExp(`^ {2}${verb}\\b`, "m"));
    expect(help.stdout).not.toContain("dev-agent");
    expect((await cli(["switchover", "--help"])).stdout).toContain("--to");
    expect((await cli(["--version"])).stdout.trim()).toBe(
      (
        JSON.parse(readFileSync(join(import.meta.dirname, "../../package.json"), "utf8")) as {
          version: string;
        }
      ).version,
    );
  });

  test("the verb is the first word that is neither an option nor an option's value", () => {
    expect(verbIn(["--dir", "up", "status"])).toBe("status");
    expect(verbIn(["--json", "up", "--dir", "x"])).toBe("up");
    expect(verbIn(["--consul", "http://x", "--cluster", "c"])).toBeNull();
    expect(verbIn([])).toBeNull();
  });

  test("without a cluster, verbs say so with 69, in JSON for programs", async () => {
    const text = await cli(["status"], { cwd: dir });
    expect(text.code).toBe(69);
    expect(text.stderr).toMatch(
      /^autopilot: no cluster in .autopilot \(hint: .*\) \[AP_CLUSTER_NOT_FOUND\]\n$/,
    );
    for (const argv of [["stop"], ["node", "stop", "x"], ["events"], ["dsn", "--dir", "nowhere"]]) {
      const { code, stderr } = await cli([...argv, "--json"], { cwd: dir });
      expect(code).toBe(69);
      expect(JSON.parse(stderr)).toMatchObject({
        error: { code: "AP_CLUSTER_NOT_FOUND", exitCode: 69 },
      });
    }
  });

  test("a Consul that does not answer is 69 too", async () => {
    const env = { CONSUL_HTTP_ADDR: "127.0.0.1:1" };
    const { code, stderr } = await cli(["status"], { cwd: dir, env });
    expect(code).toBe(69);
    expect(stderr).toContain("[AP_CONSUL_UNREACHABLE]");
  });
});

describe("config check", () => {
  test("shows every value with its origin", async () => {
    const text = `{ recipe: "mysql", node: { name: "n1", cluster: "main", dir: "d" }, mysql: { secrets: { ${secrets} } } }`;
    const file = config("good.json5", text);
    const env = { AUTOPILOT_NODE_HTTP_PORT: "9999" };
    const { code, stdout, stderr } = await cli(["config", "check", file], { env });
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^node\.name +"n1" +file$/m);
    expect(stdout).toMatch(/^node\.httpPort +9999 +AUTOPILOT_NODE_HTTP_PORT$/m);
    expect(stdout).toMatch(/^mysql\.port +3306 +default$/m);
    const json = await cli(["config", "check", file, "--json"]);
    expect(JSON.parse(json.stdout)).toMatchObject({ file });
  });

  test("tells all problems at once, each on its line, with 78", async () => {
    const text = `{ recipe: "mysql", nod: {}, node: { cluster: 5, dir: "d" }, mysql: { prot: 1, secrets: { ${secrets} } } }`;
    const file = config("bad.json5", text);
    const { code, stdout, stderr } = await cli(["config", "check", file]);
    expect([code, stdout]).toEqual([78, ""]);
    const [head, ...lines] = stderr.trimEnd().split("\n");
    expect(head).toContain("3 problems");
    expect(head).toContain("[AP_CONFIG_INVALID]");
    expect(lines.toSorted()).toEqual([
      "  mysql.prot: unknown key, did you mean port?",
      "  nod: unknown key, did you mean node?",
      "  node.cluster: expected string, got number",
    ]);
    const json = await cli(["config", "check", file, "--json"]);
    const told = JSON.parse(json.stderr) as { error: { problems: string[] } };
    expect(told.error.problems).toHaveLength(3);
  });

  test("an agent with a wrong configuration says the same and starts nothing", async () => {
    const file = config("wrong.json5", `{ recipe: "mysql", nod: {} }`);
    const { code, stderr } = await cli(["run", "-c", file]);
    expect(code).toBe(78);
    expect(stderr).toContain("  nod: unknown key, did you mean node?");
    const gone = await cli(["run", "-c", join(dir, "gone.json5")]);
    expect(gone.code).toBe(78);
    expect(gone.stderr).toContain("[AP_CONFIG_UNREADABLE]");
  });
});
