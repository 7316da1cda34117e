// Loads a ContainerPilot configuration from a text, for the tests of this folder.
import {
  loadRunner,
  type LoadedRunner,
  type LoadOptions,
} from "../../src/config/containerpilot/load.ts";
import type { Job } from "../../src/core/runner-config.ts";
import { ConfigError } from "../../src/errors.ts";

export function load(text: string, options: Partial<LoadOptions> = {}): LoadedRunner {
  return loadRunner({ name: "app.json5", text }, { env: {}, ...options });
}

/** The error that the configuration is. */
export function refusal(text: string, options: Partial<LoadOptions> = {}): ConfigError {
  try {
    load(text, options);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error(`it was taken: ${text}`);
}

/** One job of a configuration that has Consul and two ordinary jobs. */
export function withJob(job: string, more = ""): string {
  return `{ consul: "localhost:8500", watches: [{ name: "db", interval: 3 }], ${more}
    jobs: [
      { name: "web", exec: "serve", port: 80, health: { exec: "check", interval: 5, ttl: 10 } },
      { name: "plain", exec: "run" },
      ${job}
    ] }`;
}

/** The job that was put in. */
export function job(text: string, more = ""): Job {
  const found = load(withJob(text, more)).config.jobs[2];
  if (found === undefined) throw new Error("there is no third job");
  return found;
}
