// A writer to be killed: one object after the other into the directory of its argument, each called by its own hash. It
// says "on" after the first, and never ends by itself.
import { randomBytes } from "node:crypto";
import { openDisk } from "../../src/objects/disk.ts";
import { sha256Of } from "../../src/objects/read.ts";
import { realClock } from "../../src/runtime/clock.ts";

const store = openDisk(process.argv[2] ?? "", { clock: realClock });
for (let i = 0; ; i++) {
  const body = randomBytes(300_000);
  await using upload = store.upload(`${i % 7}/${sha256Of(body)}`, { partBytes: 65_536 });
  await upload.write(body);
  await upload.finish({ ifNoneMatch: true });
  await store.put("newest", Buffer.from(`${i}.`.repeat(1000)));
  if (i === 0) process.stdout.write("on\n");
}
