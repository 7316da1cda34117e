// Addresses: what each form means, where the rest comes from, and that all that is wrong is said at once, without secrets.
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nameOf, parseAddress } from "../../src/objects/address.ts";
import { readKeys } from "../../src/objects/credentials.ts";
import { AutopilotError, ConfigError } from "../../src/errors.ts";
import { failure } from "../contract/objects-fixture.ts";

const plain = {
  kind: "s3",
  bucket: "shelf",
  prefix: "",
  region: "eu-west-3",
  endpoint: null,
  pathStyle: false,
  credentials: null,
  profile: null,
  storageClass: null,
  encryption: null,
  kmsKey: null,
  tags: [],
  objectLock: null,
};

function problemsOf(text: string, env = {}): readonly string[] {
  try {
    parseAddress(text, env);
  } catch (error) {
    expect(error).toMatchObject({ name: "ConfigError", code: "AP_OBJECTS_ADDRESS" });
    const { message, problems } = error as ConfigError;
    return problems.length > 0 ? problems : [message];
  }
  throw new Error(`${text} was taken`);
}

describe("an object store's address", () => {
  test("is a directory, as a path or a URL", () => {
    expect(parseAddress("/var/backups", {})).toEqual({ kind: "disk", dir: "/var/backups" });
    expect(parseAddress("backups/a b", {})).toEqual({ kind: "disk", dir: resolve("backups/a b") });
    expect(parseAddress("file:///var/a%20b", {})).toEqual({ kind: "disk", dir: "/var/a b" });
  });

  test("is a bucket, with what the parameters say", () => {
    expect(parseAddress("s3://shelf?region=eu-west-3", {})).toEqual(plain);
    const full =
      "s3://shelf/my/backups/?region=garage&endpoint=http://10.0.0.1:3900/&path-style=false" +
      "&credentials=/run/secrets/s3&profile=x&storage-class=STANDARD_IA&encryption=aws:kms";
    const address = parseAddress(full, {});
    expect(address).toEqual({
      ...plain,
      prefix: "my/backups/",
      region: "garage",
      endpoint: "http://10.0.0.1:3900",
      credentials: "/run/secrets/s3",
      profile: "x",
      storageClass: "STANDARD_IA",
      encryption: "aws:kms",
    });
    expect(nameOf(address)).toBe("s3://shelf/my/backups");
  });

  test("says what new objects get, which a directory cannot", () => {
    const settings =
      "&encryption=aws:kms&kms-key=k1&tags=team:db,stage:live&object-lock=compliance:30d";
    expect(parseAddress(`s3://shelf?region=eu-west-3${settings}`, {})).toEqual({
      ...plain,
      encryption: "aws:kms",
      kmsKey: "k1",
      tags: [
        { name: "team", value: "db" },
        { name: "stage", value: "live" },
      ],
      objectLock: { mode: "COMPLIANCE", ms: 30 * 86_400_000 },
    });
    const wrong = "s3://shelf?region=x&kms-key=k&tags=team&object-lock=30d";
    expect(problemsOf(wrong)).toHaveLength(3);
    for (const tags of [
      "a:1,a:2",
      "a:1;b",
      ":x",
      Array.from({ length: 11 }, (_, i) => `t${i}:`).join(","),
    ])
      expect(problemsOf(`s3://shelf?region=x&tags=${tags}`).join()).toContain("tags:");
    for (const lock of ["compliance:1h", "forever:30d", "governance", "governance:"])
      expect(problemsOf(`s3://shelf?region=x&object-lock=${lock}`).join()).toContain(
        "object-lock:",
      );
    for (const name of ["storage-class", "tags", "object-lock", "encryption"]) {
      expect(problemsOf(`/mnt/backups?${name}=x`).join()).toContain(`${name}: a directory has no`);
      expect(problemsOf(`file:///mnt/backups?${name}=x`).join()).toContain("without parameters");
    }
    expect(parseAddress("/mnt/what?", {})).toEqual({ kind: "disk", dir: "/mnt/what?" });
  });

  test("takes region and endpoint from the environment where it does not say them", () => {
    const env = { AWS_REGION: "eu-west-3", AWS_DEFAULT_REGION: "x" };
    expect(parseAddress("s3://shelf", env)).toEqual(plain);
    expect(parseAddress("s3://shelf?region=eu-west-3", { AWS_REGION: "x" })).toEqual(plain);
    const elsewhere = { AWS_ENDPOINT_URL: "http://a:1", AWS_ENDPOINT_URL_S3: "http://b:2" };
    expect(parseAddress("s3://shelf", elsewhere)).toMatchObject({
      endpoint: "http://b:2",
      pathStyle: true,
      region: "us-east-1",
    });
  });

  test("is refused with all that is wrong with it", () => {
    const wrong =
      "s3://u:topsecret@-/a//b?regio=x&region=a b&path-style=maybe&endpoint=ftp://x&credentials=key";
    const problems = problemsOf(wrong);
    expect(problems).toHaveLength(8);
    for (const part of [
      "access keys",
      "bucket",
      "prefix",
      "region",
      "path-style",
      "endpoint",
      "credentials",
    ])
      expect(problems.join("\n")).toContain(part);
    expect(problems.join("\n")).toContain("did you mean region?");
    expect(problems.join("\n")).not.toContain("topsecret");
  });

  test("says what one thing is wrong", () => {
    for (const [text, why] of [
      ["", "empty"],
      ["s3:shelf", "s3://bucket"],
      ["s3://", "bucket"],
      ["s3://shelf", "region: missing"],
      ["s3://ab:9000/x?region=x", "no port"],
      ["s3://shelf?region=x&region=y", "twice"],
      ["s3://shelf?region=", "empty"],
      ["s3://shelf/%zz?region=x", "%"],
      ["s3://shelf/.uploads?region=x", "prefix"],
      ["gs://shelf", "neither s3 nor file"],
      ["file://host/x", "file:///path"],
      ["file:///x?region=a", "without parameters"],
    ] as const)
      expect(problemsOf(text).join("\n")).toContain(why);
  });

  test("is either taken or refused as one error, whatever it is", () => {
    const piece = fc.constantFrom(
      "s3://",
      "file://",
      "a",
      "/",
      "?",
      "&",
      "=",
      "%",
      "#",
      "@",
      ":",
      "endpoint",
      " ",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        try {
          parseAddress(pieces.join(""), { AWS_REGION: "x" });
        } catch (error) {
          expect(error).toBeInstanceOf(AutopilotError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("access keys in a file", () => {
  async function file(text: string, mode = 0o600) {
    const dir = await mkdtemp(join(tmpdir(), "autopilot-keys-"));
    const path = join(dir, "keys");
    await writeFile(path, text);
    await chmod(path, mode);
    return { path, [Symbol.asyncDispose]: () => rm(dir, { recursive: true }) };
  }
  const keys = "aws_access_key_id = AKID\naws_secret_access_key=SECRET/+=\n";

  test("are those of the section", async () => {
    await using one = await file(`${keys}[other]\naws_access_key_id = no\n`);
    expect(await readKeys(one.path, "default")).toMatchObject({
      accessKeyId: "AKID",
      secretAccessKey: "SECRET/+=",
    });
    await using two = await file(`[default]\nx = y\n[mine]\n${keys}aws_session_token = T\n`);
    expect(await readKeys(two.path, "mine")).toMatchObject({ sessionToken: "T" });
  });

  test("are refused when others may read them, or they are not there, without repeating the file", async () => {
    for (const mode of [0o640, 0o604, 0o644]) {
      await using open = await file(keys, mode);
      expect(await failure(readKeys(open.path, "default"))).toMatchObject({
        code: "AP_SECRET_UNREADABLE",
      });
    }
    expect(await failure(readKeys("/nowhere/keys", "default"))).toMatchObject({
      code: "AP_SECRET_UNREADABLE",
    });
    await using half = await file("aws_secret_access_key = SECRET\n");
    const error = (await failure(readKeys(half.path, "default"))) as Error;
    expect(error).toMatchObject({ name: "ConfigError", code: "AP_OBJECTS_CREDENTIALS" });
    expect(error.message).not.toContain("SECRET\n");
    expect(error.message).not.toMatch(/SECRET$/);
  });
});
