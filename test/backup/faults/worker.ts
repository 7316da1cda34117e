// A worker to be killed: takes one backup of FILE into STORE, and says how many bytes it has read.
//   node worker.ts STORE FILE RECIPIENT|-
import { openStore } from "../../../src/objects/open.ts";
import { realClock } from "../../../src/runtime/clock.ts";
import { fakeEngine } from "../fake-engine.ts";
import { take } from "../fixture.ts";

const [, , address = "", file = "", recipient = "-"] = process.argv;
const store = await openStore(address, { env: process.env, clock: realClock });
let told = 0;
const say = (bytes: number): void => {
  told = bytes;
  process.stdout.write(`${bytes}\n`);
};
const engine = fakeEngine(file);
const { image } = engine;
engine.image = async (server, request) => {
  const imaging = await image.call(engine, server, request);
  let bytes = 0;
  imaging.stream.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes - told > 16_384) say(bytes);
  });
  return imaging;
};
say(0);
const recipients = recipient === "-" ? null : [recipient];
// Slowly, so that it can be hit in the middle.
await take({ engine, store }, { recipients, rate: 4_000_000, clock: realClock });
