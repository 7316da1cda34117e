// Headers of tar, POSIX.1-2001 (pax): ustar, with an extended header before it where a name is long or not ASCII, a file
// has 8 GiB or more, or was sparse. Every tar of the last twenty years reads it. Own code, because what is needed is two
// kinds of entries and a reader that trusts nothing, and every package brings links, owners, devices and dialects.

export type TarEntry = {
  /** Relative, with "/" between names and none at the end. */
  readonly path: string;
  readonly kind: "file" | "directory";
  /** Of a file's content; 0 for a directory. */
  readonly bytes: number;
  readonly mode: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** It had holes where it was read: blocks of zeros become holes again. */
  readonly sparse: boolean;
};

export const BLOCK = 512;
/** An extended header holds a path and a few numbers: Linux has paths of 4096 bytes. */
export const PAX_LIMIT = 16 * 1024;

/** POSIX lets an implementation add keywords in capitals; others ignore them and write the zeros. */
const SPARSE = "AUTOPILOT.sparse";
const OCTAL_11_LIMIT = 8 ** 11;

/** All blocks that come before an entry's content. */
export function headerOf(entry: TarEntry): Buffer {
  const name = `${entry.path}${entry.kind === "directory" ? "/" : ""}`;
  const records: [string, string][] = [];
  // oxlint-disable-next-line no-control-regex
  const short = Buffer.byteLength(name) <= 100 && /^[\x20-\x7e]*$/.test(name);
  if (!short) records.push(["path", name]);
  if (entry.bytes >= OCTAL_11_LIMIT) records.push(["size", String(entry.bytes)]);
  if (entry.sparse) records.push([SPARSE, "1"]);
  const own = ustar({
    name: short ? name : "long-name",
    type: entry.kind === "directory" ? "5" : "0",
    bytes: entry.bytes >= OCTAL_11_LIMIT ? 0 : entry.bytes,
    mode: entry.mode,
    mtime: entry.mtime,
  });
  if (records.length === 0) return own;
  const text = Buffer.from(records.map(([key, value]) => paxRecord(key, value)).join(""));
  const pax = ustar({ name: "pax", type: "x", bytes: text.length, mode: 0o600, mtime: 0 });
  return Buffer.concat([pax, text, padding(text.length), own]);
}

export function padding(bytes: number): Buffer {
  return Buffer.alloc((BLOCK - (bytes % BLOCK)) % BLOCK);
}

/** Two blocks of zeros: without them an archive is not whole. */
export const END = Buffer.alloc(2 * BLOCK);

type Ustar = {
  readonly name: string;
  readonly type: string;
  readonly bytes: number;
  readonly mode: number;
  readonly mtime: number;
};

function ustar(o: Ustar): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(o.name, 0, 100, "latin1");
  block.write(octal(o.mode & 0o7777, 7), 100);
  // No owner: who unpacks it owns it.
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(o.bytes, 11), 124);
  block.write(octal(Math.max(0, Math.floor(o.mtime)), 11), 136);
  block.write("        ", 148);
  block.write(o.type, 156);
  block.write("ustar\u000000", 257, "latin1");
  block.write(`${octal(sumOf(block), 6)}\u0000 `, 148, "latin1");
  return block;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}

/** "LENGTH KEY=VALUE\n", where LENGTH counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  if (String(length).length !== String(rest).length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

function sumOf(block: Buffer): number {
  let sum = 0;
  for (let at = 0; at < BLOCK; at++) sum += at >= 148 && at < 156 ? 32 : (block[at] ?? 0);
  return sum;
}

export type Header =
  | { readonly kind: "end" }
  /** `bytes` of records follow, which are about the next entry. */
  | { readonly kind: "pax"; readonly bytes: number }
  | { readonly kind: "entry"; readonly entry: TarEntry };

/** One block. `pax`: the records before it, or null. Errors: Error that says what is wrong with it. */
export function readHeader(block: Buffer, pax: ReadonlyMap<string, string> | null): Header {
  if (block.every((byte) => byte === 0)) return { kind: "end" };
  if (number(block, 148, 8) !== sumOf(block)) throw new Error("a header with a wrong checksum");
  if (block.toString("latin1", 257, 262) !== "ustar") throw new Error("a header that is not ustar");
  const type = block.toString("latin1", 156, 157);
  const bytes = pax?.has("size") === true ? Number(pax.get("size")) : number(block, 124, 12);
  if (!Number.isSafeInteger(bytes)) throw new Error("a size that is no number");
  if (type === "x" && pax === null) {
    if (bytes > PAX_LIMIT) throw new Error(`an extended header of ${bytes} bytes`);
    return { kind: "pax", bytes };
  }
  if (type !== "0" && type !== "5") throw new Error(`an entry of type ${JSON.stringify(type)}`);
  const kind = type === "5" ? "directory" : "file";
  const written = pax?.get("path") ?? text(block, 0, 100);
  const path = safePath(kind === "directory" ? written.replace(/\/$/, "") : written);
  if (kind === "directory" && bytes !== 0) throw new Error(`${path}: a directory with content`);
  const [mode, mtime] = [number(block, 100, 8) & 0o7777, number(block, 136, 12)];
  const sparse = pax?.get(SPARSE) === "1";
  return { kind: "entry", entry: { path, kind, bytes, mode, mtime, sparse } };
}

/** Errors: Error for anything but whole records. */
export function readPax(records: Buffer): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (let at = 0; at < records.length;) {
    const space = records.indexOf(" ", at);
    const length = space < 0 ? Number.NaN : Number(records.toString("latin1", at, space));
    const record = records.subarray(space + 1, at + length);
    const equals = record.indexOf("=");
    const whole = length > 0 && at + length <= records.length && record.at(-1) === 10;
    if (!whole || equals < 1) throw new Error("a malformed extended header");
    found.set(
      record.toString("utf8", 0, equals),
      record.toString("utf8", equals + 1, record.length - 1),
    );
    at += length;
  }
  return found;
}

/** An archive comes from a store: its names must stay below the directory that it is unpacked into. */
function safePath(path: string): string {
  const names = path.split("/");
  const bad = names.some((name) => name === "" || name === "." || name === "..");
  if (bad || path.includes("\u0000")) throw new Error(`the path ${JSON.stringify(path)}`);
  return path;
}

function text(block: Buffer, from: number, length: number): string {
  const field = block.subarray(from, from + length);
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end < 0 ? length : end);
}

function number(block: Buffer, from: number, length: number): number {
  // oxlint-disable-next-line no-control-regex
  const digits = block.toString("latin1", from, from + length).replaceAll(/[\u0000 ]/g, "");
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
}
