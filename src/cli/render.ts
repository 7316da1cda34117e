// `autopilot render TEMPLATE:OUT[:COMMAND]…`: templates to files from the catalogue, until it is stopped; or once.
import { resolve } from "node:path";
import { parseTarget, type Target } from "../core/render/target.ts";
import { parseDuration } from "../core/duration.ts";
import type { Wait } from "../core/render/quiet.ts";
import { connect, consulFromEnv } from "../consul/client.ts";
import { AutopilotError, UsageError, messageOf } from "../errors.ts";
import { createLog, type Log } from "../log.ts";
import { evaluate } from "../render/evaluate.ts";
import { renderForever, renderOnce, type RenderParts } from "../render/renderer.ts";
import { runCommand } from "../render/run-command.ts";
import { readText } from "../render/watch-sources.ts";
import { writeWhole } from "../render/write-file.ts";
import { realClock } from "../runtime/clock.ts";
import type { Globals } from "./program.ts";

export type RenderOptions = Globals & {
  readonly once?: boolean;
  readonly dry?: boolean;
  readonly wait: string;
  readonly timeout: string;
  readonly limit: string;
};

/** As many as a command line holds comfortably; each is rendered after every change. */
const MOST_TARGETS = 100;

export async function runRender(words: readonly string[], options: RenderOptions): Promise<number> {
  const given = targetsOf(words);
  const targets = options.dry === true ? given.map((it) => ({ ...it, command: null })) : given;
  const wait = waitOf(options.wait);
  const timeoutMs = durationOf("--timeout", options.timeout);
  const limitMs = durationOf("--limit", options.limit);
  checkTemplates(targets);
  const address = options.consul === undefined ? {} : { CONSUL_HTTP_ADDR: options.consul };
  const config = consulFromEnv({ ...process.env, ...address });
  const log = logTo(options.json === true, config.token);
  const consul = connect(config);
  const stop = new AbortController();
  const end = (): void => stop.abort();
  process.once("SIGINT", end).once("SIGTERM", end);
  const parts: RenderParts = {
    targets,
    catalogue: consul,
    clock: realClock,
    env: process.env,
    wait,
    signal: stop.signal,
    write: options.dry === true ? show : writeWhole,
    run: (command) => runCommand(command, { timeoutMs, signal: stop.signal }),
    tell: (line) => log.info(line),
    fail: (error) => log.error(lineOf(error)),
  };
  try {
    if (options.once !== true && options.dry !== true) {
      await renderForever(parts);
      return 0;
    }
    return exitCodeOf(await renderOnce(parts, limitMs));
  } finally {
    process.removeListener("SIGINT", end).removeListener("SIGTERM", end);
    consul.close();
  }
}

function targetsOf(words: readonly string[]): readonly Target[] {
  if (words.length > MOST_TARGETS)
    throw new UsageError("AP_USAGE", `render: more than ${MOST_TARGETS} targets`);
  const targets = words.map((word) => {
    const target = parseTarget(word);
    if (typeof target !== "string") return target;
    throw new UsageError("AP_USAGE", `render: ${JSON.stringify(word)}: ${target}`);
  });
  const outs = targets.map(({ out }) => resolve(out));
  const twice = outs.find((out, i) => outs.indexOf(out) !== i);
  if (twice === undefined) return targets;
  throw new UsageError("AP_USAGE", `render: two templates are to be written to ${twice}`);
}

function waitOf(text: string): Wait {
  const [least = "", most, ...more] = text.split(":");
  const leastMs = durationOf("--wait", least);
  const mostMs = most === undefined ? 4 * leastMs : durationOf("--wait", most);
  if (more.length === 0 && mostMs >= leastMs) return { leastMs, mostMs };
  throw new UsageError("AP_USAGE", `render: --wait ${text}: expected MIN[:MAX], MAX not below MIN`);
}

/** A day is longer than anybody wants to wait, and shorter than what a timer can. */
const LONGEST_MS = 24 * 3_600_000;

function durationOf(option: string, text: string): number {
  const ms = parseDuration(text);
  if (ms !== null && ms <= LONGEST_MS) return ms;
  throw new UsageError("AP_USAGE", `render: ${option} ${text}: expected a duration like "100ms"`);
}

/** A mistyped template ends us now, not after Consul has answered. Errors: ConfigError AP_TEMPLATE_INVALID. */
function checkTemplates(targets: readonly Target[]): void {
  for (const { template } of targets) {
    if (template.kind !== "file") continue;
    const ask = (source: { readonly kind: string; readonly path?: string }): never | null =>
      source.kind === "file" ? (readText(source.path ?? "") as never) : null;
    const { outcome } = evaluate(template, { ask, env: process.env, now: realClock.wall() });
    if (outcome.kind === "failed") throw outcome.error;
  }
}

/** Stdout is for what --dry shows, and for what commands print. */
function logTo(json: boolean, token: string | null): Log {
  const log = createLog({ level: "info", pretty: !json, fields: {}, to: process.stderr });
  if (token !== null) log.redact(token);
  return log;
}

function show(path: string, text: string): Promise<boolean> {
  process.stdout.write(`> ${path}\n${text}${text.endsWith("\n") ? "" : "\n"}`);
  return Promise.resolve(true);
}

function lineOf(error: unknown): string {
  if (!(error instanceof AutopilotError)) return messageOf(error);
  return `${error.message} (hint: ${error.hint}) [${error.code}]`;
}

/** Of the first failure, which has been told. */
function exitCodeOf(failure: unknown): number {
  if (failure === null) return 0;
  if (failure instanceof AutopilotError) return failure.exitCode;
  throw failure;
}
