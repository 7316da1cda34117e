import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { loadConfig } from "../../src/config/load.ts";
import type { AnyRecipe } from "../../src/config/load-recipe.ts";
import { durationMs } from "../../src/config/schema.ts";
import { ConfigError } from "../../src/errors.ts";

const schema = z.strictObject({
  port: z.int().default(3306),
  acks: z.int().default(1),
  tls: z.boolean().default(true),
  adminPassword: z.string().optional(),
  secrets: z.strictObject({ admin: z.string().meta({ file: true }).optional() }).prefault({}),
  hosts: z.array(z.string()).default([]),
  durability: z.strictObject({ aloneAfter: durationMs.prefault("5s") }).prefault({}),
});
const recipe = {
  name: "mysql",
  schema: () => Promise.resolve(schema),
  hooks: ["promoted"],
} as unknown as AnyRecipe;
const loadRecipe = (name: string): Promise<AnyRecipe> => {
  if (name === "mysql") return Promise.resolve(recipe);
  const problems = [`recipe: no recipe is called "${name}"`];
  return Promise.reject(new ConfigError("AP_CONFIG_INVALID", "none", { problems }));
};

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "autopilot-config-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

function load(text: string, env: NodeJS.ProcessEnv = {}) {
  const file = join(dir, "node.json5");
  writeFileSync(file, text);
  return loadConfig(file, { env, loadRecipe });
}

async function problems(text: string, env: NodeJS.ProcessEnv = {}): Promise<readonly string[]> {
  const error: unknown = await load(text, env).catch((reason: unknown) => reason);
  if (!(error instanceof ConfigError)) throw new Error("it was taken", { cause: error });
  expect(error.code).toBe("AP_CONFIG_INVALID");
  return error.problems;
}

const GOOD = `{
  // a comment, as JSON5 allows
  recipe: "mysql",
  node: { name: "mysql-1", cluster: "main", dir: "data", host: "10.0.0.1" },
  hooks: { promoted: { exec: ["/bin/true"] } },
}`;

describe("a configuration", () => {
  test("is the file on top of the defaults, with durations in milliseconds", async () => {
    const { config, section, controlSocket } = await load(GOOD);
    expect(config.node).toMatchObject({ name: "mysql-1", httpPort: 8306, dir: join(dir, "data") });
    expect(config.hooks).toEqual({ promoted: { exec: ["/bin/true"], timeout: 30_000 } });
    expect(section).toMatchObject({ port: 3306, durability: { aloneAfter: 5_000 } });
    expect(controlSocket).toBe(join(dir, "data", "control.sock"));
  });

  test("takes values from the environment, also from files, which is how secrets come", async () => {
    const secret = join(dir, "secret");
    writeFileSync(secret, "geheim\n");
    const { config, section } = await load(GOOD, {
      AUTOPILOT_NODE_NAME: "mysql-9",
      AUTOPILOT_NODE_HTTP_PORT: "9000",
      AUTOPILOT_MYSQL_TLS: "false",
      AUTOPILOT_MYSQL_HOSTS: "a,b",
      AUTOPILOT_MYSQL_DURABILITY_ALONE_AFTER: "1m",
      AUTOPILOT_MYSQL_ADMIN_PASSWORD_FILE: secret,
      AUTOPILOT_MYSQLD: "/usr/sbin/mysqld",
      UNRELATED: "x",
    });
    expect(config.node).toMatchObject({ name: "mysql-9", httpPort: 9000 });
    expect(section).toEqual({
      secrets: {},
      port: 3306,
      acks: 1,
      tls: false,
      hosts: ["a", "b"],
      adminPassword: "geheim",
      durability: { aloneAfter: 60_000 },
    });
  });

  test("knows where each value came from, and shows no secret", async () => {
    const env = { AUTOPILOT_MYSQL_ACKS: "2", AUTOPILOT_MYSQL_ADMIN_PASSWORD: "geheim" };
    const { values } = await load(GOOD, env);
    const shown = new Map(values.map(({ path, value, origin }) => [path, [value, origin]]));
    expect(shown.get("node.name")).toEqual(["mysql-1", "file"]);
    expect(shown.get("node.httpPort")).toEqual([8306, "default"]);
    expect(shown.get("mysql.acks")).toEqual([2, "AUTOPILOT_MYSQL_ACKS"]);
    expect(shown.get("mysql.durability.aloneAfter")).toEqual(["5s", "default"]);
    expect(shown.get("mysql.adminPassword")).toEqual(["***", "AUTOPILOT_MYSQL_ADMIN_PASSWORD"]);
    expect(JSON.stringify(values)).not.toContain("geheim");
  });
});

describe("a value that is itself the path of a file", () => {
  test("is named by X_FILE too, and the file is never read", async () => {
    const secret = join(dir, "admin");
    writeFileSync(secret, "geheim\n");
    const loaded = await load(GOOD, { AUTOPILOT_MYSQL_SECRETS_ADMIN_FILE: secret });
    expect(loaded.section).toMatchObject({ secrets: { admin: secret } });
    expect(JSON.stringify(loaded)).not.toContain("geheim");
  });
});

describe("a wrong configuration", () => {
  test("names a hook that the recipe does not run", async () => {
    const told = await problems(GOOD.replace("promoted", "promotd"));
    expect(told).toEqual(["hooks.promotd: unknown key, did you mean promoted?"]);
  });

  test("tells all problems at once, each with its path", async () => {
    const text = `{
      recipe: "mysql",
      nod: {},
      node: { name: "Bad_Name", cluster: "main", dir: "d", htpPort: 1 },
      hooks: { promoted: { exec: [], timeout: "soon" } },
      log: { level: "loud" },
      mysql: { acks: "one", durabilty: {} },
    }`;
    const told = await problems(text);
    expect(told).toContain("nod: unknown key, did you mean node?");
    expect(told).toContain("node.htpPort: unknown key, did you mean httpPort?");
    expect(told).toContain("node.name: expected small letters, digits and dashes, at most 63");
    expect(told).toContain("mysql.acks: expected number, got string");
    expect(told).toContain("mysql.durabilty: unknown key, did you mean durability?");
    expect(told).toContain('hooks.promoted.timeout: expected a duration like "5s", got "soon"');
    expect(told.some((line) => line.startsWith("hooks.promoted.exec: "))).toBe(true);
    expect(told.some((line) => line.startsWith('log.level: expected one of "error"'))).toBe(true);
    expect(told).toHaveLength(8);
  });

  test("tells what is missing", async () => {
    const told = await problems(`{ recipe: "mysql" }`);
    expect(told).toEqual(["node: expected object, but it is missing"]);
    const inside = await problems(`{ recipe: "mysql", node: { dir: "d" } }`);
    expect(inside).toEqual(["node.cluster: expected string, but it is missing"]);
  });

  test("names the variable that a wrong value came from, and unknown variables of known sections", async () => {
    const env = { AUTOPILOT_NODE_HTTP_PORT: "many", AUTOPILOT_MYSQL_AKS: "1" };
    expect(await problems(GOOD, env)).toEqual([
      "AUTOPILOT_MYSQL_AKS: unknown variable, did you mean AUTOPILOT_MYSQL_ACKS?",
      "node.httpPort (AUTOPILOT_NODE_HTTP_PORT): expected number, got string",
    ]);
  });

  test("names a secret's file that cannot be read", async () => {
    const env = { AUTOPILOT_MYSQL_ADMIN_PASSWORD_FILE: "/nowhere/secret" };
    const [line] = await problems(GOOD, env);
    expect(line).toContain("AUTOPILOT_MYSQL_ADMIN_PASSWORD_FILE: ENOENT");
  });

  test("checks the rest also when there is no such recipe", async () => {
    const told = await problems(`{ recipe: "mysqll", node: { cluster: "main", dir: 5 } }`);
    expect(told).toEqual([
      'recipe: no recipe is called "mysqll"',
      "node.dir: expected string, got number",
    ]);
  });

  test("a path that no socket can have is told before anything starts", async () => {
    const long = "x".repeat(120);
    const told = await problems(`{ recipe: "mysql", node: { cluster: "main", dir: "${long}" } }`);
    expect(told).toEqual([
      expect.stringContaining("node.controlSocket: the path of a socket has at most 107 bytes"),
    ]);
  });

  test("a file that does not parse is told with line and column", async () => {
    const error: unknown = await load(`{\n  recipe: "mysql",\n  node: {{\n}`).catch(
      (e: unknown) => e,
    );
    expect(error).toMatchObject({ code: "AP_CONFIG_UNREADABLE" });
    expect((error as Error).message).toContain("node.json5:3:10: invalid character '{'");
  });

  test("a file that is not there, or no object, is told", async () => {
    const gone = loadConfig(join(dir, "gone.json5"), { env: {}, loadRecipe });
    await expect(gone).rejects.toMatchObject({ code: "AP_CONFIG_UNREADABLE" });
    await expect(load("[]")).rejects.toMatchObject({ code: "AP_CONFIG_UNREADABLE" });
  });
});
