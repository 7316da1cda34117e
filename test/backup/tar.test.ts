// The tar of a clone: what comes out is what went in, the machine's own tar reads it too, and nothing that is cut, changed
// or malicious is taken for whole.
import { execFileSync } from "node:child_process";
import {
  chmod,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { once } from "node:events";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  BLOCK,
  headerOf,
  readHeader,
  readPax,
  type TarEntry,
} from "../../recipes/mysql/backup/engines/tar-header.ts";
import { unpackTar } from "../../recipes/mysql/backup/engines/tar-read.ts";
import { archiveBytes, entriesOf, packed } from "../../recipes/mysql/backup/engines/tar-write.ts";

const HOLE = 8 * 1024 * 1024;
const LONG = "l".repeat(180);
let place: string;
let archive: Buffer;

beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), "autopilot-tar-"));
  const from = join(place, "from");
  await mkdir(join(from, "app", LONG), { recursive: true });
  await mkdir(join(from, "empty"), { mode: 0o750 });
  await writeFile(join(from, "ibdata1"), Buffer.alloc(3 * 1024 * 1024, "pages"), { mode: 0o640 });
  await writeFile(join(from, "zero"), "");
  await writeFile(join(from, "exact"), Buffer.alloc(BLOCK, 1));
  await writeFile(join(from, "app", LONG, "ä table#P#p0.ibd"), "umlaut");
  await using sparse = await open(join(from, "sparse.ibd"), "w");
  await sparse.write(Buffer.from("begin"), 0, 5, 0);
  await sparse.write(Buffer.from("odd"), 0, 3, HOLE / 2 + 4095);
  await sparse.truncate(HOLE);
  await utimes(join(from, "zero"), 1_000_000_000, 1_000_000_000);
  await chmod(join(from, "exact"), 0o600);
  archive = await archiveOf(from);
});
afterAll(() => rm(place, { recursive: true }));

async function archiveOf(dir: string): Promise<Buffer> {
  const entries = await entriesOf(dir);
  const pieces = await collect(packed(dir, entries));
  const bytes = Buffer.concat(pieces);
  expect(bytes.length).toBe(archiveBytes(entries));
  return bytes;
}

async function collect(pieces: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(piece);
  return all;
}

let made = 0;
async function unpacked(bytes: Buffer, pieceBytes = 70_001): Promise<string> {
  const into = join(place, `into-${(made += 1)}`);
  await mkdir(into);
  const pieces = Array.from({ length: Math.ceil(bytes.length / pieceBytes) }, (_, at) =>
    bytes.subarray(at * pieceBytes, (at + 1) * pieceBytes),
  );
  await unpackTar(Readable.from(pieces), into, new AbortController().signal);
  return into;
}

async function sameAs(into: string): Promise<void> {
  const from = join(place, "from");
  const names = await readdir(from, { recursive: true });
  expect((await readdir(into, { recursive: true })).toSorted()).toEqual(names.toSorted());
  for (const name of names) {
    const [was, is] = [await stat(join(from, name)), await stat(join(into, name))];
    expect([name, is.mode, is.isDirectory()]).toEqual([name, was.mode, was.isDirectory()]);
    if (was.isDirectory()) continue;
    expect((await readFile(join(into, name))).equals(await readFile(join(from, name)))).toBe(true);
  }
}

test("comes out as it went in, in whatever pieces it arrives, with holes where there were holes", async () => {
  for (const pieceBytes of [100, 70_001, archive.length]) {
    const into = await unpacked(archive, pieceBytes);
    await sameAs(into);
    const { blocks, size } = await stat(join(into, "sparse.ibd"));
    expect(size).toBe(HOLE);
    expect(blocks * 512).toBeLessThan(HOLE / 4);
    // Space that a file really had stays its own: a redo log must not find a full disk.
    const dense = await stat(join(into, "ibdata1"));
    expect(dense.blocks * 512).toBeGreaterThanOrEqual(dense.size);
    expect((await stat(join(into, "zero"))).mtimeMs).toBe(1_000_000_000_000);
  }
});

test("the machine's tar reads it", async () => {
  const into = join(place, "by-tar");
  await mkdir(into);
  const options = ["--warning=no-unknown-keyword", "-x", "-p", "-C", into];
  execFileSync("tar", options, { input: archive, stdio: ["pipe", "ignore", "inherit"] });
  await sameAs(into);
});

test("a file that changes while it is read fails the archive", async () => {
  const dir = join(place, "changing");
  await mkdir(dir);
  await writeFile(join(dir, "a"), "0123456789");
  const entries = await entriesOf(dir);
  for (const [text, why] of [
    ["01234", "became shorter"],
    ["0123456789ab", "changed its size"],
  ] as const) {
    await writeFile(join(dir, "a"), text);
    await expect(collect(packed(dir, entries))).rejects.toThrow(why);
  }
});

test("what is no file and no directory is refused: it would be missing", async () => {
  const dir = join(place, "linking");
  await mkdir(dir);
  await symlink(place, join(dir, "link"));
  await expect(entriesOf(dir)).rejects.toThrow("link is neither a file nor a directory");
  await rm(join(dir, "link"));
  const server = createServer().listen(join(dir, "socket"));
  await once(server, "listening");
  await expect(entriesOf(dir)).rejects.toThrow("socket is neither a file nor a directory");
  server.close();
});

describe("an archive that is not whole is refused", () => {
  test("cut anywhere, also exactly between two files and before its end", async () => {
    const ends = [archive.length - 2 * BLOCK, archive.length - BLOCK, BLOCK, 0, 1000, 2_000_000];
    for (const end of ends)
      await expect(unpacked(archive.subarray(0, end)), `cut at ${end}`).rejects.toThrow(/tar: /);
  });

  test("a changed header, a second archive behind it", async () => {
    const changed = Buffer.from(archive);
    changed[3] = 88;
    await expect(unpacked(changed)).rejects.toThrow("wrong checksum");
    await expect(unpacked(Buffer.concat([archive, archive]))).rejects.toThrow("follows its end");
  });

  test("an aborted one", async () => {
    const into = join(place, "aborted");
    await mkdir(into);
    const abort = new AbortController();
    const endless = new Readable({ read: () => undefined });
    endless.push(archive.subarray(0, 5000));
    const work = unpackTar(endless, into, abort.signal);
    abort.abort(new Error("enough"));
    await expect(work).rejects.toThrow();
  });
});

describe("names that lead elsewhere are refused", () => {
  const entry = (path: string): TarEntry => {
    return { path, kind: "file", bytes: 0, mode: 0o600, mtime: 0, sparse: false };
  };
  test.each(["../x", "/etc/x", "a/../../x", "a//x", "./x", "..", `${"../".repeat(60)}x`])(
    "%s",
    async (path) => {
      const bytes = Buffer.concat([headerOf(entry(path)), Buffer.alloc(2 * BLOCK)]);
      await expect(unpacked(bytes)).rejects.toThrow(/tar: the path/);
    },
  );
  test("a name that comes twice, a link", async () => {
    const twice = Buffer.concat([headerOf(entry("a")), headerOf(entry("a")), Buffer.alloc(1024)]);
    await expect(unpacked(twice)).rejects.toThrow("a comes twice");
    const link = join(place, "link-source");
    await mkdir(link);
    await symlink("/etc/passwd", join(link, "l"));
    const bytes = execFileSync("tar", ["-c", "-C", link, "l"]);
    await expect(unpacked(bytes)).rejects.toThrow('an entry of type "2"');
  });
});

test("sizes beyond what ustar's field holds", () => {
  for (const bytes of [8 ** 11 - 1, 8 ** 11, 2 ** 45]) {
    const entry: TarEntry = {
      path: "big",
      kind: "file",
      bytes,
      mode: 0o640,
      mtime: 1_763_650_000,
      sparse: true,
    };
    const blocks = headerOf(entry);
    const first = readHeader(blocks.subarray(0, BLOCK), null);
    expect(first.kind).toBe("pax");
    if (first.kind !== "pax") continue;
    const pax = readPax(blocks.subarray(BLOCK, BLOCK + first.bytes));
    expect(readHeader(blocks.subarray(-BLOCK), pax)).toEqual({ kind: "entry", entry });
  }
});
