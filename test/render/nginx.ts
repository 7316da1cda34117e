// A real nginx with the recipe's template: on loopback, in a directory of its own, as an ordinary user would run it.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findTool, type Tool } from "../../src/local/toolchain.ts";
import { cli } from "../cli/cli.ts";
import { nginxSpec } from "../contract/nginx-tool.ts";
import { until } from "../contract/until.ts";
import { startRenderer, type Renderer } from "./renderer-process.ts";

const TEMPLATE = fileURLToPath(new URL("../../recipes/nginx/nginx.conf.tmpl", import.meta.url));

export type Nginx = AsyncDisposable & {
  readonly url: string;
  readonly prefix: string;
  readonly pid: number;
  readonly renderer: Renderer;
  /** How often the renderer has had it reloaded. */
  readonly reloads: () => number;
};

/** The program, or why it cannot be had. */
export async function findNginx(): Promise<Tool | { readonly why: string }> {
  try {
    return await findTool(nginxSpec, { progress: (line) => console.warn(line) });
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error) };
  }
}

/** As the recipe's jobs do it: rendered once, started, and from then on rendered and reloaded. */
export async function startNginx(tool: Tool, consul: string): Promise<Nginx> {
  const prefix = await mkdtemp(join(tmpdir(), "autopilot-nginx-"));
  const port = await freePort();
  const env = { NGINX_LISTEN: `127.0.0.1:${port}`, NGINX_WORKERS: "2" };
  const target = `${TEMPLATE}:${join(prefix, "nginx.conf")}`;
  const first = await cli(["render", "--once", "--consul", consul, target], { env });
  if (first.code !== 0) throw new Error(first.stderr);
  const argv = [...tool.command("nginx"), "-e", "stderr", "-p", prefix, "-c", "nginx.conf"];
  const [program = "", ...args] = argv;
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr.on("data", (data) => (log += String(data)));
  const url = `http://127.0.0.1:${port}`;
  await until("nginx answers", async () => {
    if (child.exitCode !== null) throw new Error(log);
    return (await fetch(`${url}/-/health`)).ok;
  });
  // Through a script: the command of a target is one text for the shell.
  const reload = join(prefix, "reload.sh");
  await writeFile(reload, `exec ${argv.map((word) => `'${word}'`).join(" ")} -s reload\n`);
  const renderer = startRenderer(
    [`${target}:sh ${reload}`, "--consul", consul, "--wait", "20ms"],
    env,
  );
  return {
    url,
    prefix,
    pid: child.pid ?? 0,
    renderer,
    reloads: () => renderer.log().split(" ran ").length - 1,
    async [Symbol.asyncDispose]() {
      await renderer[Symbol.asyncDispose]();
      await end(child);
      await rm(prefix, { recursive: true });
    },
  };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
