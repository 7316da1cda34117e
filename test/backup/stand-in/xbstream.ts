// xbstream -x --parallel=N -C DIR, as far as a restore needs it. Like the real one it ends with 0 where its input ends
// between two chunks, whatever is missing.
import { mkdirSync, closeSync, openSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { fault, record } from "./record.ts";
import { readChunks } from "./xbstream-format.ts";

record("xbstream");
const argv = process.argv.slice(2);
if (
  argv.length !== 4 ||
  argv[0] !== "-x" ||
  !/^--parallel=\d+$/.test(argv[1] ?? "") ||
  argv[2] !== "-C"
) {
  process.stderr.write("xbstream: unknown option\n");
  process.exit(1);
}
if (fault() === "xbstream-killed") process.kill(process.pid, "SIGKILL");
const dir = argv[3] ?? "";
const files = new Map<string, number>();
try {
  await readChunks(process.stdin, ({ path, payload }) => {
    const to = join(dir, path);
    let fd = files.get(path);
    if (fd === undefined) {
      mkdirSync(dirname(to), { recursive: true });
      fd = openSync(to, "wx");
      files.set(path, fd);
    }
    if (payload !== null) writeSync(fd, payload.bytes, 0, payload.bytes.length, payload.offset);
    else closeSync(fd);
  });
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
