// MySQL's CLONE as an engine: the server copies itself into a directory beside its own, a server is started once on that
// copy (test-start.ts), and the copy is streamed as a tar. It locks nothing, needs no tool that is not there anyway, and
// costs a second copy of the data while it runs.
import { Readable } from "node:stream";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import {
  invariant,
  messageOf,
  RefusedError,
  UnavailableError,
  type Tool,
} from "../../../../src/index.ts";
import { connect, type Target } from "../../mysqld/connection.ts";
import type { Engine, ImageFacts, Imaging, ImagingRequest, UnpackRequest } from "../engine.ts";
import { cloneLocal, requireSpace } from "./clone-copy.ts";
import { engineFailed } from "./failure.ts";
import { openScratch, syncAll, type Scratch } from "./scratch.ts";
import { readCloneFacts, readServer } from "./server-facts.ts";
import { unpackTar } from "./tar-read.ts";
import type { TarEntry } from "./tar-header.ts";
import { archiveBytes, entriesOf, packed } from "./tar-write.ts";
import { notOfTheImage, startOnce } from "./test-start.ts";

export type CloneParts = {
  /** mysqld. */
  readonly tool: Tool;
  /** Null: this engine only unpacks. */
  readonly server: { readonly login: Target; readonly myCnf: string } | null;
  readonly progress: (step: string) => void;
};

const CONNECT_MS = 10_000;
const PIECE_BYTES = 1024 * 1024;

export function cloneEngine(parts: CloneParts): Engine {
  return {
    name: "clone",
    version: parts.tool.version,
    incremental: false,
    holdsGtid: true,
    image: (_server, request) => imageOf(parts, request),
    unpack: (chain) => unpack(parts, chain),
  };
}

async function imageOf(parts: CloneParts, request: ImagingRequest): Promise<Imaging> {
  const { server } = parts;
  invariant(server !== null, "AP_BUG_INVARIANT", "clone without a server cannot make an image");
  invariant(request.since === null, "AP_BUG_INVARIANT", "a clone has no incrementals");
  request.signal.throwIfAborted();
  const scratch = await openScratch(request.scratch);
  try {
    const copy = join(scratch.dir, "copy");
    await requireFit(server.login, scratch.dir);
    parts.progress("copying");
    await cloneLocal(server.login, copy, request.signal);
    parts.progress("starting a server on the copy");
    const facts = await startOnce({
      ...parts,
      ...server,
      copy,
      run: scratch.dir,
      signal: request.signal,
    });
    const entries = (await entriesOf(copy)).filter(({ path }) => !notOfTheImage(path));
    return imaging({ copy, entries, facts, scratch, signal: request.signal });
  } catch (error) {
    await scratch[Symbol.asyncDispose]();
    request.signal.throwIfAborted();
    if (error instanceof RefusedError) throw error;
    throw engineFailed("clone", error, server.login.password);
  }
}

/** Asked again here: tables may have come since the engine was chosen. */
async function requireFit(login: Target, scratch: string): Promise<void> {
  await using sql = await connect(login, CONNECT_MS);
  const { otherTables } = await readCloneFacts(sql);
  if (otherTables.length > 0) {
    const why = `a clone copies these tables without their rows: ${otherTables.slice(0, 5).join(", ")}`;
    throw new RefusedError("AP_BACKUP_NO_ENGINE", why, {
      hint: "convert them to InnoDB, or install the XtraBackup of the server's series",
      reasons: otherTables,
    });
  }
  await requireSpace(scratch, await readServer(sql));
}

type Copy = {
  readonly copy: string;
  readonly entries: readonly TarEntry[];
  readonly facts: ImageFacts;
  readonly scratch: Scratch;
  readonly signal: AbortSignal;
};

function imaging({ copy, entries, facts, scratch, signal }: Copy): Imaging {
  let whole = false;
  let failure: unknown = null;
  // The stream ends also when reading fails, like that of an engine which dies: `finish` says what happened.
  const bytes = async function* (): AsyncGenerator<Buffer> {
    try {
      for await (const piece of packed(copy, entries)) {
        if (signal.aborted) return;
        yield piece;
      }
      whole = true;
    } catch (error) {
      failure = error;
    }
  };
  const stream = Readable.from(bytes(), { objectMode: false, highWaterMark: PIECE_BYTES });
  let closing: Promise<void> | null = null;
  const close = async (): Promise<void> => {
    stream.destroy();
    await (closing ??= Promise.resolve(scratch[Symbol.asyncDispose]()));
  };
  return {
    stream,
    format: "tar",
    estimate: archiveBytes(entries),
    finish: async () => {
      const read = stream.readableEnded;
      await close();
      signal.throwIfAborted();
      if (failure !== null) throw engineFailed("clone", failure, null);
      if (whole && read) return facts;
      throw engineFailed("clone", new Error("its stream was not read to its end"), null);
    },
    [Symbol.asyncDispose]: close,
  };
}

async function unpack(parts: CloneParts, chain: readonly UnpackRequest[]): Promise<void> {
  const [only, ...more] = chain;
  if (only === undefined) return;
  if (more.length > 0) throw new RefusedError("AP_BACKUP_CHAIN", "a clone has no incrementals");
  parts.progress("extracting");
  try {
    await mkdir(only.into, { recursive: true, mode: 0o750 });
    if ((await readdir(only.into)).length > 0) throw new Error(`${only.into} is not empty`);
    await unpackTar(only.stream, only.into, only.signal);
    await syncAll(only.into);
  } catch (error) {
    only.signal.throwIfAborted();
    throw new UnavailableError("AP_BACKUP_UNPACK", `clone: ${messageOf(error)}`);
  }
}
