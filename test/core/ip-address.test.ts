// Addresses against Node's own word on them.
import { isIP } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { isIpAddress } from "../../src/core/ip-address.ts";

const SAMPLES =
  "1.2.3.4 0.0.0.0 255.255.255.255 256.1.1.1 1.2.3 1.2.3.4. 01.2.3.4 1.2.3.4.5 :: ::1 1:: ::: :::: 1:2:3:4:5:6:7:8 1:2:3:4:5:6:7 1:2:3:4:5:6:7:8:9 " +
  "1::2::3 1:2:3:4:5:6:7:: ::2:3:4:5:6:7:8 1:2:3:4::5:6:7:8 fd00::4 FD00::4 ::ffff:1.2.3.4 1.2.3.4::1 ::1.2.3.4:5 1:2:3:4:5:6:1.2.3.4 12345:: g:: host example.org localhost 1 :1 1:";

test.each([...SAMPLES.split(" "), ""])("%s", (text) => {
  expect(isIpAddress(text)).toBe(isIP(text) !== 0);
});

test("as Node says of whatever looks like one", () => {
  const piece = fc.constantFrom(
    "",
    ":",
    "::",
    ".",
    "0",
    "1",
    "00",
    "25",
    "255",
    "256",
    "ff",
    "fffff",
    "1.2.3.4",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 18 }), (pieces) => {
      const text = pieces.join("");
      expect(isIpAddress(text)).toBe(isIP(text) !== 0);
    }),
    { numRuns: 20_000 },
  );
  fc.assert(fc.property(fc.ipV4(), (text) => isIpAddress(text)));
  fc.assert(fc.property(fc.ipV6(), (text) => isIpAddress(text) === (isIP(text) !== 0)));
});
