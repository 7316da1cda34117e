// Docker as the compose suite uses it: the daemon that is here, and Compose, which the toolchain finds or fetches.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { ToolSpec } from "../../src/local/toolchain/tool.ts";
import { findTool } from "../../src/local/toolchain.ts";

const run = promisify(execFile);

/** Building an image downloads packages; everything else is a matter of seconds. */
const LIMIT_MS = 900_000;
const OUTPUT_MAX = 64 * 1024 * 1024;

export const composeSpec: ToolSpec = {
  name: "docker-compose",
  version: "2",
  env: "AUTOPILOT_DOCKER_COMPOSE",
  binary: "docker-compose",
  versionArgs: ["version", "--short"],
  accept: (output) => {
    const [, version = "", major = "0"] = /^v?((\d+)\.\d+\.\d+\S*)/.exec(output.trim()) ?? [];
    if (Number(major) >= 2) return { ok: true, version };
    return { ok: false, why: "it is not Compose 2" };
  },
  apt: {
    suite: "sid",
    packages: ["docker-compose"],
    main: "usr/libexec/docker/cli-plugins/docker-compose",
  },
  install: "install the Compose plugin of Docker, version 2 or newer",
};

/** Why the suite cannot run here, or null. */
export async function whyNoDocker(): Promise<string | null> {
  try {
    await run("docker", ["info", "--format", "{{.ServerVersion}}"], { timeout: 10_000 });
    return null;
  } catch (error) {
    const { stderr = "" } = error as { stderr?: string };
    return `no Docker daemon answers: ${stderr.trim().split("\n").at(-1) ?? String(error)}`;
  }
}

/** stdout of one docker command. Throws with what it said. */
export async function docker(...argv: readonly string[]): Promise<string> {
  const { stdout } = await run("docker", argv, { timeout: LIMIT_MS, maxBuffer: OUTPUT_MAX });
  return stdout.trim();
}

export type Answer = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** Compose on the project's own file, with other images and a project name that no user has. */
export class Compose {
  readonly #argv: readonly string[];
  readonly #env: NodeJS.ProcessEnv;
  readonly project: string;

  private constructor(argv: readonly string[], project: string, env: NodeJS.ProcessEnv) {
    this.#argv = argv;
    this.project = project;
    this.#env = env;
  }

  static async open(project: string, images: Readonly<Record<string, string>>): Promise<Compose> {
    const progress = (line: string): void => console.error(line);
    const tool = await findTool(composeSpec, { env: process.env, progress });
    return new Compose(tool.command("docker-compose"), project, { ...process.env, ...images });
  }

  async ask(...argv: readonly string[]): Promise<Answer> {
    const [file = "", ...first] = this.#argv;
    const all = [...first, "--project-name", this.project, "--ansi", "never", ...argv];
    try {
      const options = { timeout: LIMIT_MS, maxBuffer: OUTPUT_MAX, env: this.#env };
      const { stdout, stderr } = await run(file, all, options);
      return { code: 0, stdout, stderr };
    } catch (error) {
      const { code, stdout = "", stderr = "" } = error as Partial<Answer>;
      if (typeof code !== "number") throw error;
      return { code, stdout, stderr };
    }
  }

  /** stdout; throws with what it said when it fails. */
  async do(...argv: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.ask(...argv);
    if (code !== 0) throw new Error(`compose ${argv.join(" ")}: ${stderr || stdout}`);
    return stdout.trim();
  }
}
