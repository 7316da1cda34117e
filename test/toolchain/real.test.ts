// The real tools, where this machine already has them. Never fetches: PATH has no apt-get.
import { execa } from "execa";
import { expect, test, type TestContext } from "vitest";
import { mysqlSpec } from "../../recipes/mysql/mysqld/tool.ts";
import { consulSpec } from "../../src/local/toolchain/consul.ts";
import { findTool, type Tool, type ToolSpec } from "../../src/local/toolchain.ts";
import { AutopilotError } from "../../src/errors.ts";

test("the real mysqld prints its version", async (context) => {
  const tool = await present(mysqlSpec, context);
  expect(await output(tool.command("mysqld"), "--version")).toMatch(/Ver (8|9|\d\d)\.\d+\.\d+/);
});

test("the real mysql client is found beside its server", async (context) => {
  const tool = await present(mysqlSpec, context);
  expect(await output(tool.command("mysql"), "--version")).toContain("Ver");
  expect(await output(tool.command("mysqlbinlog"), "--version")).toContain("Ver");
});

test("the real consul prints its version", async (context) => {
  const tool = await present(consulSpec, context);
  expect(await output(tool.command("consul"), "version")).toContain(`Consul v${tool.version}`);
});

async function output([file = "", ...args]: readonly string[], arg: string): Promise<string> {
  return (await execa(file, [...args, arg])).stdout;
}

async function present(spec: ToolSpec, context: TestContext): Promise<Tool> {
  try {
    return await findTool(spec, { progress: () => {}, env: { ...process.env, PATH: "" } });
  } catch (error) {
    if (!(error instanceof AutopilotError)) throw error;
    return context.skip(`no ${spec.name} here: ${error.message}`);
  }
}
