// What the address says of new objects reaches the store with each of them: tags, encryption, a lock until a date.
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { openStore } from "../../src/objects/open.ts";
import { bytesOf, quickClock } from "../contract/objects-fixture.ts";
import { BUCKET, KEY_ID, SECRET, startStandIn } from "./stand-in.ts";

const PART = 64 * 1024;
const DAY = 86_400_000;

const base64 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("base64");

test("each new object, whole or in parts, is tagged, encrypted and locked as the address says", async () => {
  process.env["AWS_ACCESS_KEY_ID"] = KEY_ID;
  process.env["AWS_SECRET_ACCESS_KEY"] = SECRET;
  await using standIn = await startStandIn();
  const settings =
    "storage-class=STANDARD_IA&encryption=aws:kms&kms-key=k1&tags=team:d b,stage:live&object-lock=governance:2d";
  const address = `s3://${BUCKET}/p?endpoint=${standIn.url}&${settings}`;
  const clock = { ...quickClock, wall: () => 10 * DAY };
  const wanted = {
    "x-amz-storage-class": "STANDARD_IA",
    "x-amz-server-side-encryption": "aws:kms",
    "x-amz-server-side-encryption-aws-kms-key-id": "k1",
    "x-amz-tagging": "team=d+b&stage=live",
    "x-amz-object-lock-mode": "GOVERNANCE",
    "x-amz-object-lock-retain-until-date": "1970-01-13T00:00:00Z",
  };
  const headersOf = (method: string, path: RegExp) =>
    standIn.heard.find((it) => it.method === method && path.test(it.path))?.headers;
  {
    await using store = await openStore(address, { env: {}, clock });
    await store.put("small", Buffer.from("x"));
    expect(headersOf("PUT", /small/)).toMatchObject({
      ...wanted,
      "x-amz-checksum-sha256": base64(Buffer.from("x")),
    });
    const bytes = bytesOf(PART + 10);
    await using upload = store.upload("large", { partBytes: PART });
    await upload.write(bytes);
    await upload.finish({ ifNoneMatch: true });
    expect(headersOf("POST", /uploads/)).toMatchObject({
      ...wanted,
      "x-amz-checksum-algorithm": "SHA256",
    });
    // S3 refuses a part of what shall be locked without it.
    expect(headersOf("PUT", /partNumber=1/)).toMatchObject({
      "x-amz-checksum-sha256": base64(bytes.subarray(0, PART)),
    });
    expect(standIn.objects.get("p/large")?.body.equals(bytes)).toBe(true);
  }
  standIn.heard.length = 0;
  await using probing = await openStore(address, { env: {}, clock, locks: false });
  await probing.put("probe", Buffer.from("x"));
  const headers = headersOf("PUT", /probe/) ?? {};
  expect(headers).toMatchObject({ "x-amz-tagging": "team=d+b&stage=live" });
  expect(Object.keys(headers).filter((name) => /lock|checksum/.test(name))).toEqual([]);
});
