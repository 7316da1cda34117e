// Names of objects that every store takes: S3's limits, and those of a file system, because a directory is a store too.

/** S3: 1024 bytes of UTF-8, the prefix of the store's address included, for which some are kept back. */
const KEY_BYTES_MAX = 900;
/** The longest name of a file on every common file system. */
const SEGMENT_BYTES_MAX = 255;
/** Where the disk store keeps what is not an object yet. */
export const RESERVED = ".uploads";

/** Why `key` is no portable name of an object, or null. */
export function keyProblem(key: string): string | null {
  if (key === "") return "it is empty";
  if (utf8Bytes(key) > KEY_BYTES_MAX) return `it is longer than ${KEY_BYTES_MAX} bytes`;
  // XML 1.0, in which S3 lists names, has no characters for these; half a surrogate pair has no UTF-8.
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f\ufffe\uffff]/.test(key) || !key.isWellFormed())
    return "it has characters that cannot be printed";
  const segments = key.split("/");
  if (segments[0] === RESERVED) return `${RESERVED} is the store's own`;
  for (const segment of segments) {
    if (segment === "" || segment === "." || segment === "..")
      return "it begins or ends with a slash, or has an empty, . or .. part";
    if (utf8Bytes(segment) > SEGMENT_BYTES_MAX)
      return `a part of it is longer than ${SEGMENT_BYTES_MAX} bytes`;
  }
  return null;
}

function utf8Bytes(text: string): number {
  let bytes = 0;
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}

/** S3 lists by the bytes of UTF-8, which is the order of code points, not JavaScript's order of UTF-16. */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [left, right] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (left !== right) return rank(left) - rank(right);
  }
  return a.length - b.length;
}

/** Surrogates stand for the highest code points, although their own numbers are in the middle. */
function rank(unit: number): number {
  const isSurrogate = unit >= 0xd800 && unit < 0xe000;
  return isSurrogate ? unit + 0x10000 : unit;
}
