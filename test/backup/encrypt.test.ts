// What age's own library can read is what we write, and the other way round; whatever was changed, swapped or cut off is
// noticed, at every length; and the two files say one clear thing when they are wrong.
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from "age-encryption";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readIdentities, readRecipients } from "../../recipes/mysql/backup/age-files.ts";
import { open, seal } from "../../recipes/mysql/backup/encrypt.ts";
import { bytesOf, failure } from "../contract/objects-fixture.ts";

const CHUNK = 65_536;
const LENGTHS = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 5];

let [identity, recipient] = ["", ""];
beforeAll(async () => {
  identity = await generateX25519Identity();
  recipient = await identityToRecipient(identity);
});

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function whole(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(piece);
  return Buffer.concat(pieces);
}

const sealed = (text: Buffer, to = [recipient]): Promise<Buffer> =>
  whole(seal(inPieces(text, 10_000), to));
const opened = (bytes: Buffer, by = [identity]): Promise<Buffer> =>
  whole(open(inPieces(bytes, 7_777), by));

describe("what is sealed", () => {
  for (const length of LENGTHS)
    test(`is read by age's library, and what that writes is opened: ${length} bytes`, async () => {
      const text = bytesOf(length);
      const decrypter = new Decrypter();
      decrypter.addIdentity(identity);
      expect(text.equals(await decrypter.decrypt(await sealed(text)))).toBe(true);
      const encrypter = new Encrypter();
      encrypter.addRecipient(recipient);
      expect(text.equals(await opened(Buffer.from(await encrypter.encrypt(text))))).toBe(true);
    });

  test("is for each of its recipients, and for nobody else", async () => {
    const other = await generateX25519Identity();
    const both = await sealed(bytesOf(100), [recipient, await identityToRecipient(other)]);
    for (const one of [identity, other]) expect(await opened(both, [one])).toEqual(bytesOf(100));
    expect(await opened(both, [await generateX25519Identity(), other])).toEqual(bytesOf(100));
    const stranger = failure(opened(both, [await generateX25519Identity()]));
    expect(await stranger).toMatchObject({ name: "RefusedError", code: "AP_BACKUP_IDENTITY" });
  });

  test("has its own key each time, and nothing of the text in it", async () => {
    const text = Buffer.from("SELECT the_secret FROM t;".repeat(100));
    const [one, two] = [await sealed(text), await sealed(text)];
    expect(one.equals(two)).toBe(false);
    expect(one.includes("the_secret")).toBe(false);
  });

  for (const length of LENGTHS)
    test(`is not opened when it was cut off, at every place that could look whole: ${length} bytes`, async () => {
      const bytes = await sealed(bytesOf(length));
      const begin = bytes.length - length - 16 * Math.max(1, Math.ceil(length / CHUNK));
      const ends = [0, 1, begin - 16, begin - 1, begin, begin + 16, bytes.length - 1];
      for (let at = begin; at < bytes.length; at += CHUNK + 16) ends.push(at);
      for (const end of ends.filter((it) => it < bytes.length)) {
        const error = await failure(opened(bytes.subarray(0, end)));
        expect(error).toMatchObject({ name: "RefusedError", code: "AP_BACKUP_DAMAGED" });
      }
    });

  test("is not opened when a bit of it was flipped, its pieces were swapped, or something was added", async () => {
    const bytes = await sealed(bytesOf(3 * CHUNK));
    const piece = CHUNK + 16;
    const begin = bytes.length - 3 * piece;
    const wrong: Buffer[] = [Buffer.concat([bytes, Buffer.from("x")])];
    for (const at of [
      0,
      30,
      60,
      begin - 40,
      begin - 3,
      begin + 5,
      begin + piece,
      bytes.length - 1,
    ]) {
      const one = Buffer.from(bytes);
      one[at] = (one[at] ?? 0) ^ 1;
      wrong.push(one);
    }
    const [head, a, b, c] = [0, 1, 2, 3].map((i) =>
      bytes.subarray(i === 0 ? 0 : begin + (i - 1) * piece, begin + i * piece),
    ) as [Buffer, Buffer, Buffer, Buffer];
    wrong.push(Buffer.concat([head, b, a, c]), Buffer.concat([head, a, c]));
    for (const one of wrong)
      expect(String(((await failure(opened(one))) as { code: string }).code)).toMatch(
        /^AP_BACKUP_(DAMAGED|IDENTITY)$/,
      );
  });

  test("hands out no byte of a piece that was changed", async () => {
    const bytes = await sealed(bytesOf(3 * CHUNK));
    bytes[bytes.length - CHUNK - 50] = (bytes[bytes.length - CHUNK - 50] ?? 0) ^ 1;
    let got = 0;
    const reading = (async () => {
      for await (const piece of open(inPieces(bytes, 1000), [identity])) got += piece.length;
    })();
    await failure(reading);
    expect(got).toBe(CHUNK);
  });
});

describe("the files of age", () => {
  let dir = "";
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "autopilot-age-"));
  });
  afterAll(() => rm(dir, { recursive: true }));

  async function file(text: string, mode = 0o600): Promise<string> {
    const path = join(dir, String(Math.random()));
    await writeFile(path, text);
    await chmod(path, mode);
    return path;
  }

  test("name who may read", async () => {
    const path = await file(`# ours\n\n${recipient}\n  ${recipient}\n`, 0o644);
    expect(await readRecipients(path)).toEqual([recipient, recipient]);
  });

  test("of recipients are refused with all that is wrong, and never repeat a secret", async () => {
    const wrong = await file(`${identity}\nage1nobody\nssh-ed25519 AAAA\n`);
    const error = (await failure(readRecipients(wrong))) as Error & { problems: string[] };
    expect(error).toMatchObject({ name: "ConfigError", code: "AP_BACKUP_RECIPIENTS" });
    expect(error.problems).toHaveLength(3);
    expect(error.message + error.problems.join("")).not.toContain(identity.slice(20));
    for (const path of [await file("# nobody\n"), join(dir, "nowhere")])
      expect(await failure(readRecipients(path))).toMatchObject({ code: "AP_BACKUP_RECIPIENTS" });
  });

  test("of identities are secrets: mode 0600, and never repeated", async () => {
    expect(await readIdentities(await file(`# me\n${identity}\n`))).toEqual([identity]);
    const open = await failure(readIdentities(await file(identity, 0o640)));
    expect(open).toMatchObject({ name: "ConfigError", code: "AP_SECRET_UNREADABLE" });
    const broken = identity.slice(0, -1);
    for (const text of ["", "# none\n", recipient, broken]) {
      const error = (await failure(readIdentities(await file(text)))) as Error;
      expect(error).toMatchObject({ name: "ConfigError", code: "AP_BACKUP_IDENTITY" });
      expect(error.message).not.toContain(broken.slice(20));
    }
  });
});
