// XtraBackup and its descendant mariadb-backup: the same way of working, the same files and the same stream, under
// different words (family-words.ts). Compression is our pipeline's and not the engine's: one zstd for every engine that
// can be measured, limited and checked, and an unpacking that needs no second pass.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { invariant, messageOf, type Tool } from "../../../../src/index.ts";
import { connect, type Target } from "../../mysqld/connection.ts";
import type { ServerVersion } from "../../core/backup/manifest.ts";
import type { Engine, ImageFacts, Imaging, ImagingRequest } from "../engine.ts";
import { startChild, type EngineChild } from "./child.ts";
import { writeDefaultsFile } from "./defaults-file.ts";
import { engineFailed, lastWords } from "./failure.ts";
import { readImageFacts } from "./family-files.ts";
import { unpackFamily } from "./family-unpack.ts";
import type { Family } from "./family-words.ts";
import { openScratch, type Scratch } from "./scratch.ts";
import { readServer, type ServerNow } from "./server-facts.ts";

export type FamilyParts = {
  readonly family: Family;
  readonly tool: Tool;
  /** Null: this engine only unpacks. */
  readonly login: Target | null;
  readonly progress: (step: string) => void;
};

const CONNECT_MS = 10_000;
const STATEMENT_MS = 60_000;
const COMPLETED = /completed OK!\s*$/;

export function familyEngine(parts: FamilyParts): Engine {
  const { family, tool } = parts;
  return {
    name: family.name,
    version: tool.version,
    incremental: true,
    holdsGtid: false,
    image: (_server: ServerVersion, request) => imageOf(parts, request),
    unpack: (chain) => unpackFamily(parts, chain),
  };
}

async function imageOf(parts: FamilyParts, request: ImagingRequest): Promise<Imaging> {
  const { family, login } = parts;
  invariant(
    login !== null,
    "AP_BUG_INVARIANT",
    `${family.name} without a login cannot make an image`,
  );
  request.signal.throwIfAborted();
  const scratch = await openScratch(request.scratch);
  try {
    const now = await ask(login);
    const argv = await prepareRun(parts, login, request, { dir: scratch.dir, now });
    const child = await startChild({
      name: family.name,
      argv,
      run: scratch.dir,
      signal: request.signal,
      onLine: (line) => tellFile(line, parts.progress),
    });
    return imaging({ parts, login, request, scratch, child, now });
  } catch (error) {
    await scratch[Symbol.asyncDispose]();
    request.signal.throwIfAborted();
    throw engineFailed(family.name, error, login.password);
  }
}

async function ask(login: Target): Promise<ServerNow> {
  await using sql = await connect(login, CONNECT_MS);
  return await readServer(sql);
}

async function prepareRun(
  { family, tool }: FamilyParts,
  login: Target,
  request: ImagingRequest,
  { dir, now }: { readonly dir: string; readonly now: ServerNow },
): Promise<readonly string[]> {
  const at = {
    defaults: join(dir, "client.cnf"),
    lsn: join(dir, "lsn"),
    target: join(dir, "target"),
  };
  await mkdir(at.lsn);
  await mkdir(at.target);
  await writeDefaultsFile(at.defaults, login);
  return [
    ...tool.command(family.backup),
    ...family.backupArgs({ ...at, now, since: request.since }),
  ];
}

/** "[01] Streaming ./app/t.ibd": what it works at, for people. */
function tellFile(line: string, progress: (step: string) => void): void {
  const file = /\b(?:Streaming|Compressing and streaming)\s+(\S+)/.exec(line)?.[1];
  if (file !== undefined) progress(file);
}

type Run = {
  readonly parts: FamilyParts;
  readonly login: Target;
  readonly request: ImagingRequest;
  readonly scratch: Scratch;
  readonly child: EngineChild;
  readonly now: ServerNow;
};

function imaging(run: Run): Imaging {
  const { parts, request, child, now } = run;
  let closing: Promise<void> | null = null;
  const close = (): Promise<void> => (closing ??= closeRun(run));
  return {
    stream: child.stdout,
    format: parts.family.format,
    estimate: request.since === null ? now.dataBytes : 0,
    finish: async (): Promise<ImageFacts> => {
      const problems: unknown[] = [];
      const facts = await prove(run).catch((error: unknown) => void problems.push(error));
      await close().catch((error: unknown) => void problems.push(error));
      request.signal.throwIfAborted();
      if (facts !== undefined && problems.length === 0) return facts;
      const why = new Error(problems.map((error) => messageOf(error)).join("; "));
      throw engineFailed(parts.family.name, why, run.login.password);
    },
    [Symbol.asyncDispose]: close,
  };
}

async function prove({ child, scratch, request, login }: Run): Promise<ImageFacts> {
  const read = child.stdout.readableEnded;
  // It would wait for its reader for ever.
  if (!read) child.kill();
  const { code, says } = await child.ended;
  if (!read) throw new Error("its stream was not read to its end");
  const words = child.words();
  const last = lastWords(words, login.password);
  if (code !== 0) throw new Error(`${says}: ${last}`);
  if (!COMPLETED.test(words.at(-1) ?? ""))
    throw new Error(`it did not say that it completed: ${last}`);
  return await readImageFacts(join(scratch.dir, "lsn"), request.since);
}

async function closeRun({ child, scratch, now, login, parts }: Run): Promise<void> {
  child.stdout.destroy();
  await child[Symbol.asyncDispose]();
  try {
    const { code } = await child.ended;
    if (code !== 0 && now.applierRuns && parts.family.stopsApplier(now)) await startApplier(login);
  } finally {
    await scratch[Symbol.asyncDispose]();
  }
}

/** An engine that was asked to stop the applier, and died, leaves it stopped. Running already is fine. */
async function startApplier(login: Target): Promise<void> {
  await using sql = await connect(login, CONNECT_MS);
  await sql.rows("START REPLICA SQL_THREAD", STATEMENT_MS);
}
