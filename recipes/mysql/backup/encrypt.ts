// age (age-encryption.org/v1): who holds a recipient's identity can read, nobody else, and what was changed or cut off
// is noticed. The header is the library's; the payload, 64 KiB at a time, is written here, because the library's own
// cipher is in JavaScript: 33 MiB/s were measured, and OpenSSL's makes 600 of the same bytes.
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { RefusedError, messageOf } from "../../../src/index.ts";

const CHUNK = 64 * 1024;
const TAG = 16;
const NONCE = 16;
/** A header with a hundred recipients has 12 KiB. */
const HEADER_MAX = 64 * 1024;
const LAST = 1;

/** The header's last line. */
const MAC = "\n--- ";

/** Encrypted for all of `recipients` (age1…), which are known to be such. */
export async function* seal(
  source: AsyncIterable<Uint8Array>,
  recipients: readonly string[],
): AsyncGenerator<Buffer, void> {
  const { header, fileKey } = await newHeader(recipients);
  const nonce = randomBytes(NONCE);
  yield Buffer.concat([header, nonce]);
  const key = payloadKey(fileKey, nonce);
  const counter = Buffer.alloc(12);
  const chunks = chunked(source, CHUNK);
  for await (const { chunk, last } of chunks) {
    const cipher = createCipheriv("chacha20-poly1305", key, next(counter, last), {
      authTagLength: TAG,
    });
    yield Buffer.concat([cipher.update(chunk), cipher.final(), cipher.getAuthTag()]);
  }
}

/** Errors: RefusedError AP_BACKUP_IDENTITY: for somebody else; AP_BACKUP_DAMAGED: changed, or cut off. */
export async function* open(
  source: AsyncIterable<Uint8Array>,
  identities: readonly string[],
): AsyncGenerator<Buffer, void> {
  const rest = source[Symbol.asyncIterator]();
  try {
    const { header, nonce, after } = await readHeader(rest);
    const key = payloadKey(await fileKeyOf(header, identities), nonce);
    const counter = Buffer.alloc(12);
    for await (const { chunk, last } of chunked(following(after, rest), CHUNK + TAG)) {
      const text = unlocked(chunk, key, next(counter, last));
      if (text.length > 0) yield text;
      else if (!last || !isFirst(counter)) throw damaged("an empty piece");
    }
  } finally {
    await rest.return?.();
  }
}

async function newHeader(
  recipients: readonly string[],
): Promise<{ header: Buffer; fileKey: Uint8Array }> {
  const { Encrypter } = await import("age-encryption");
  const encrypter = new Encrypter();
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  let fileKey = new Uint8Array();
  // One more recipient, who adds nothing to the header and learns what the payload is encrypted with.
  encrypter.addRecipient({
    wrapFileKey(key) {
      fileKey = new Uint8Array(key);
      return [];
    },
  });
  const empty = Buffer.from(await encrypter.encrypt(new Uint8Array()));
  return { header: empty.subarray(0, empty.length - NONCE - TAG), fileKey };
}

async function fileKeyOf(header: Buffer, identities: readonly string[]): Promise<Uint8Array> {
  const { Decrypter } = await import("age-encryption");
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  try {
    return await decrypter.decryptHeader(header);
  } catch (error) {
    // The library's word for it; whatever else it says is about the header.
    if (/no identity matched/.test(messageOf(error)))
      throw new RefusedError("AP_BACKUP_IDENTITY", "it is encrypted for another identity");
    throw damaged(`its header: ${messageOf(error)}`);
  }
}

function payloadKey(fileKey: Uint8Array, nonce: Uint8Array): Buffer {
  return Buffer.from(hkdfSync("sha256", fileKey, nonce, "payload", 32));
}

/** Eleven bytes that count, from 0, and one that says which piece is the last. */
function next(counter: Buffer, last: boolean): Buffer {
  const nonce = Buffer.from(counter);
  nonce[11] = last ? LAST : 0;
  for (let i = 10; i >= 0; i--) {
    counter[i] = ((counter[i] ?? 0) + 1) & 0xff;
    if (counter[i] !== 0) break;
  }
  return nonce;
}

/** One was counted: the first. */
function isFirst(counter: Buffer): boolean {
  return counter[10] === 1 && counter.subarray(0, 10).every((byte) => byte === 0);
}

function unlocked(chunk: Buffer, key: Buffer, nonce: Buffer): Buffer {
  if (chunk.length < TAG) throw damaged("it ends in the middle of a piece");
  const decipher = createDecipheriv("chacha20-poly1305", key, nonce, { authTagLength: TAG });
  decipher.setAuthTag(chunk.subarray(chunk.length - TAG));
  const text = decipher.update(chunk.subarray(0, chunk.length - TAG));
  try {
    decipher.final();
  } catch {
    // OpenSSL's words say nothing.
    throw damaged("it was changed or cut off");
  }
  return text;
}

function damaged(why: string): RefusedError {
  return new RefusedError("AP_BACKUP_DAMAGED", `what was stored cannot be decrypted: ${why}`);
}

/** Pieces of `size`; only the last may be shorter, and an empty source has one empty piece. */
async function* chunked(
  source: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<{ chunk: Buffer; last: boolean }, void> {
  let chunk = Buffer.allocUnsafe(size);
  let filled = 0;
  for await (const bytes of source)
    for (let at = 0; at < bytes.length;) {
      if (filled === size) {
        yield { chunk, last: false };
        chunk = Buffer.allocUnsafe(size);
        filled = 0;
      }
      const piece = bytes.subarray(at, at + size - filled);
      chunk.set(piece, filled);
      filled += piece.length;
      at += piece.length;
    }
  yield { chunk: chunk.subarray(0, filled), last: true };
}

async function readHeader(
  source: AsyncIterator<Uint8Array>,
): Promise<{ header: Buffer; nonce: Buffer; after: Buffer }> {
  let head = Buffer.alloc(0);
  for (;;) {
    const mac = head.indexOf(MAC);
    const end = mac < 0 ? -1 : head.indexOf("\n", mac + MAC.length);
    if (end >= 0 && head.length >= end + 1 + NONCE) {
      const begin = end + 1;
      const nonce = head.subarray(begin, begin + NONCE);
      return { header: head.subarray(0, begin), nonce, after: head.subarray(begin + NONCE) };
    }
    if (end < 0 && head.length > HEADER_MAX) throw damaged("it has no header of age");
    const more = await source.next();
    if (more.done === true) throw damaged("it ends within its header");
    head = Buffer.concat([head, more.value]);
  }
}

async function* following(
  first: Buffer,
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void> {
  yield first;
  for (;;) {
    const more = await rest.next();
    if (more.done === true) return;
    yield more.value;
  }
}

/** The recipient of each identity; they are known to be such. */
export async function recipientsOf(identities: readonly string[]): Promise<readonly string[]> {
  const { identityToRecipient } = await import("age-encryption");
  return Promise.all(identities.map((identity) => identityToRecipient(identity)));
}
