import { describe, expect, test } from "vitest";
import { parseGoDuration } from "../../src/core/go-duration.ts";
import { parseInterfaceSpec } from "../../src/core/interface-spec.ts";

describe("a duration of ContainerPilot's", () => {
  const good = [
    ["5s", 5_000],
    ["1h30m", 5_400_000],
    ["1.5s", 1_500],
    [".5s", 500],
    ["500ms", 500],
    ["2us", 0.002],
    ["2µs", 0.002],
    ["2μs", 0.002],
    ["1000000ns", 1],
    ["-3s", -3_000],
    ["0", 0],
    ["0s", 0],
    ["30", 30_000],
    [30, 30_000],
  ] as const;
  for (const [text, ms] of good)
    test(`${JSON.stringify(text)} is ${ms} ms`, () =>
      expect(parseGoDuration(text)).toBeCloseTo(ms, 9));

  for (const text of ["", "xx", "1.5", 1.5, "5 s", "s", "1d", "5s ", "1e3s", "--1s", "300000000h"])
    test(`${JSON.stringify(text)} is none`, () => expect(parseGoDuration(text)).toBeNull());
});

describe("an interface specification", () => {
  const good = [
    ["eth0", { kind: "family", name: "eth0", family: 4 }],
    ["eth0:inet", { kind: "family", name: "eth0", family: 4 }],
    ["eth0:inet6", { kind: "family", name: "eth0", family: 6 }],
    ["eth0[1]", { kind: "index", name: "eth0", index: 1 }],
    // The original could not name these two.
    ["br-1a2b", { kind: "family", name: "br-1a2b", family: 4 }],
    ["eth0.100:inet6", { kind: "family", name: "eth0.100", family: 6 }],
    ["inet", { kind: "family", name: null, family: 4 }],
    ["inet6", { kind: "family", name: null, family: 6 }],
    ["10.0.0.0/16", { kind: "network", cidr: "10.0.0.0/16" }],
    ["fdc6::/48", { kind: "network", cidr: "fdc6::/48" }],
    ["static:192.168.1.100", { kind: "static", address: "192.168.1.100" }],
    ["static:fe80::1", { kind: "static", address: "fe80::1" }],
    ["static:::ffff:10.0.0.1", { kind: "static", address: "::ffff:10.0.0.1" }],
  ] as const;
  for (const [text, spec] of good)
    test(`${text} is read`, () => expect(parseInterfaceSpec(text)).toEqual(spec));

  const bad =
    "|10.0.0.1|fe80::1|eth0:ipv4|eth0[x]|eth0[]|10.0.0.0/33|10.0.0/8|10.0.0.0/8/8|fdc6::/129|static:|static:300.1.1.1|static:host|static:1:2:3|static:1::2::3|eth 0";
  for (const text of bad.split("|"))
    test(`${JSON.stringify(text)} is none`, () => expect(parseInterfaceSpec(text)).toBeNull());
});
