// The contract through the AWS SDK and real HTTP on the stand-in. What only a real store can show (that its signatures
// are verified, that its own idea of S3 is ours) is in objects-rgw.test.ts.
import { parseAddress, type S3Address } from "../../src/objects/address.ts";
import { openS3 } from "../../src/objects/s3.ts";
import { BUCKET, KEY_ID, SECRET, startStandIn } from "../objects/stand-in.ts";
import { quickClock } from "./objects-fixture.ts";
import { objectsContract } from "./objects.contract.ts";

process.env["AWS_ACCESS_KEY_ID"] = KEY_ID;
process.env["AWS_SECRET_ACCESS_KEY"] = SECRET;

objectsContract("the stand-in", async () => {
  const standIn = await startStandIn();
  const open = (bucket: string) => {
    const address = parseAddress(`s3://${bucket}/some where?endpoint=${standIn.url}`, {});
    return openS3(address as S3Address, { clock: quickClock });
  };
  return {
    open: () => open(BUCKET),
    openMissing: () => open("another"),
    partBytes: 64 * 1024,
    [Symbol.asyncDispose]: () => standIn[Symbol.asyncDispose](),
  };
});
