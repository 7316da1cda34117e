// A full image and the incrementals onto it become a datadir: extracted, prepared (the redo log that came along is
// applied), and moved into place by the engine itself, which knows which of its own files are no part of a datadir. All in
// a directory inside of the target, so that moving is renaming.
import { mkdir, readdir, rm } from "node:fs/promises";
import { constrainedMemory } from "node:process";
import { totalmem } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { RefusedError, UnavailableError, type Tool } from "../../../../src/index.ts";
import type { UnpackRequest } from "../engine.ts";
import { startChild } from "./child.ts";
import { lastWords } from "./failure.ts";
import { readWhole } from "./family-files.ts";
import type { Family } from "./family-words.ts";
import { openScratch, syncAll } from "./scratch.ts";

type Parts = {
  readonly family: Family;
  readonly tool: Tool;
  readonly progress: (step: string) => void;
};

const COMPLETED = /completed OK!\s*$/;
const MIB = 1024 * 1024;

export async function unpackFamily(parts: Parts, chain: readonly UnpackRequest[]): Promise<void> {
  const [first] = chain;
  if (first === undefined) return;
  const { into, signal } = first;
  try {
    await requireEmpty(into);
    await using scratch = await openScratch(into);
    const base = join(scratch.dir, "base");
    let end = await extract(parts, { from: first, into: base, run: scratch.dir });
    if (end.type !== "full-backuped")
      throw misfit(`the first image is ${end.type}, not a full one`);
    const run = { run: scratch.dir, signal };
    await prepare(parts, base, null, { ...run, last: chain.length === 1 });
    for (const [at, from] of chain.entries()) {
      if (at === 0) continue;
      const increment = join(scratch.dir, `increment-${at}`);
      const next = await extract(parts, { from, into: increment, run: scratch.dir });
      if (next.type !== "incremental")
        throw misfit(`image ${at} is ${next.type}, not an incremental`);
      if (next.from !== end.to)
        throw misfit(
          `image ${at} begins at LSN ${next.from}, and the one before ends at ${end.to}`,
        );
      await prepare(parts, base, increment, { ...run, last: at === chain.length - 1 });
      // It can be applied once only.
      await rm(increment, { recursive: true });
      end = next;
    }
    await moveBack(parts, base, into, run);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof RefusedError) throw error;
    throw new UnavailableError("AP_BACKUP_UNPACK", `${parts.family.name}: ${wordsOf(error)}`);
  }
  await syncAll(into);
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function misfit(why: string): RefusedError {
  return new RefusedError("AP_BACKUP_CHAIN", why);
}

async function requireEmpty(into: string): Promise<void> {
  await mkdir(into, { recursive: true, mode: 0o750 });
  if ((await readdir(into)).length > 0) throw new Error(`${into} is not empty`);
}

async function extract(
  { family, tool, progress }: Parts,
  o: { readonly from: UnpackRequest; readonly into: string; readonly run: string },
) {
  const { signal, stream } = o.from;
  progress("extracting");
  await mkdir(o.into, { mode: 0o750 });
  await using child = await startChild({
    name: family.unstream,
    argv: [...tool.command(family.unstream), ...family.unstreamArgs(o.into)],
    run: o.run,
    input: "pipe",
    signal,
  });
  // Nothing of it is of interest, and a full pipe would stop it.
  child.stdout.resume();
  if (child.stdin === null) throw new TypeError("a child without stdin");
  // When it dies its pipe breaks: what it said is the reason, not the pipe.
  const written = pipeline(stream, child.stdin, { signal }).then(
    () => null,
    (error: unknown) => error,
  );
  const { code, says } = await child.ended;
  const broken = await written;
  signal.throwIfAborted();
  if (code !== 0) throw new Error(`${family.unstream}: ${says}: ${lastWords(child.words(), null)}`);
  if (broken !== null) throw broken;
  // Neither of the two notices a stream that ends between two chunks.
  return await readWhole(o.into);
}

type Run = { readonly run: string; readonly signal: AbortSignal };

async function prepare(
  parts: Parts,
  base: string,
  increment: string | null,
  o: Run & { readonly last: boolean },
): Promise<void> {
  parts.progress("applying its log");
  // No option about option files: it reads backup-my.cnf of the image, and that alone, which names the page size.
  await runToCompletion(parts, o, [
    "--prepare",
    `--use-memory=${memoryMiB()}M`,
    ...(o.last ? [] : parts.family.notLast),
    `--target-dir=${base}`,
    ...(increment === null ? [] : [`--incremental-dir=${increment}`]),
  ]);
}

async function moveBack(parts: Parts, base: string, into: string, run: Run): Promise<void> {
  parts.progress("moving into place");
  await runToCompletion(parts, run, [
    "--no-defaults",
    "--move-back",
    // Our own directory is in it; a file that is there already still fails it.
    "--force-non-empty-directories",
    `--target-dir=${base}`,
    `--datadir=${into}`,
  ]);
}

async function runToCompletion(parts: Parts, o: Run, args: readonly string[]): Promise<void> {
  const { family, tool } = parts;
  const argv = [...tool.command(family.backup), ...args];
  await using child = await startChild({ name: family.backup, argv, run: o.run, signal: o.signal });
  child.stdout.resume();
  const { code, says } = await child.ended;
  o.signal.throwIfAborted();
  const words = child.words();
  if (code === 0 && COMPLETED.test(words.at(-1) ?? "")) return;
  const how = code === 0 ? "it did not say that it completed" : says;
  throw new Error(
    `${args.find((arg) => /prepare|move/.test(arg))}: ${how}: ${lastWords(words, null)}`,
  );
}

/** A quarter of what there is: its default, 128 MB, takes ten times as long. */
function memoryMiB(): number {
  const limit = constrainedMemory();
  const all = Math.min(totalmem(), limit > 0 ? limit : Number.POSITIVE_INFINITY);
  return Math.min(2048, Math.max(128, Math.floor(all / 4 / MIB)));
}
