// An engine of the tests' own: a real process that streams a file, and says at its end that it was all. It can be made to
// die, to stop early and call it a success, or to stream nothing. What it unpacks is one file.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Engine } from "../../recipes/mysql/backup/engine.ts";
import { UnavailableError } from "../../src/errors.ts";

export type EngineTrouble =
  /** SIGKILL when so many bytes of it were read. */
  | { readonly do: "killed"; readonly at: number }
  /** It ends well after so many bytes, without its last word. */
  | { readonly do: "cut"; readonly at: number }
  /** All bytes, and then it says that it failed. */
  | { readonly do: "fails" }
  /** The stream itself breaks. */
  | { readonly do: "breaks"; readonly at: number };

export type FakeEngine = Engine & {
  trouble: EngineTrouble | null;
  /** Processes that were started and have not ended. */
  readonly alive: () => number;
  /** Whether the image's scratch was given back, each time. */
  readonly disposed: () => number;
};

export const GTID = "11111111-2222-3333-4444-555555555555:1-42";

/** What it streams is in `file`; `lsn` grows with each image. */
export function fakeEngine(file: string): FakeEngine {
  let [alive, disposed, lsn] = [0, 0, 100];
  const engine: FakeEngine = {
    name: "xtrabackup",
    version: "0.0",
    incremental: true,
    holdsGtid: true,
    trouble: null,
    alive: () => alive,
    disposed: () => disposed,

    async image(_, { since, signal }) {
      const { trouble } = engine;
      const cut = trouble?.do === "cut" ? trouble.at : null;
      const says = cut === null && trouble?.do !== "fails" ? "; echo completed OK! >&2" : "";
      const reads = cut === null ? `cat "$0"` : `head -c ${cut} "$0"`;
      const child = spawn("sh", ["-c", `${reads}${says}`, file], {
        stdio: ["ignore", "pipe", "pipe"],
        detached: true,
      });
      alive += 1;
      let words = "";
      child.stderr.on("data", (data) => (words += String(data)));
      const ended = once(child, "close").then(([code]) => {
        alive -= 1;
        return code as number | null;
      });
      const kill = (): void => {
        try {
          if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
        } catch {
          // it ended by itself
        }
      };
      signal.addEventListener("abort", kill, { once: true });
      const stream = new PassThrough();
      let bytes = 0;
      child.stdout.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (trouble?.do === "killed" && bytes >= trouble.at) kill();
        if (trouble?.do === "breaks" && bytes >= trouble.at) stream.destroy(new Error("EIO"));
      });
      child.stdout.pipe(stream);
      lsn += 100;
      const to = String(lsn);
      return {
        stream,
        format: "tar",
        estimate: 0,
        async finish() {
          const code = await ended;
          if (code === 0 && words.endsWith("completed OK!\n"))
            return { gtid: GTID, binlog: null, lsn: { from: since ?? "0", to } };
          const why = `the fake engine ended with ${code ?? "a signal"}, saying nothing`;
          throw new UnavailableError("AP_BACKUP_ENGINE_FAILED", why);
        },
        async [Symbol.asyncDispose]() {
          kill();
          child.stdout.destroy();
          await ended;
          disposed += 1;
        },
      };
    },

    async unpack(chain) {
      for (const [i, { stream, into, signal }] of chain.entries()) {
        await mkdir(into, { recursive: true });
        const to = createWriteStream(join(into, i === 0 ? "image" : `image.${i}`));
        await pipeline(stream, to, { signal });
      }
    },
  };
  return engine;
}
