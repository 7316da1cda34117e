// Where a tool is looked for, in which order, and what is said when there is none.
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findTool } from "../../src/local/toolchain.ts";
import { fakeSpec } from "./fake-spec.ts";
import { bareMachine, debianMachine, find, log, place, program } from "./machine.ts";

test("the variable wins over PATH", async () => {
  const machine = bareMachine();
  program(join(machine.bin, "fakesqld"), "fakesqld Ver 1.0.0");
  const main = program(join(machine.root, "opt/fakesqld-next"), "fakesqld Ver 1.9.0");
  machine.env["AUTOPILOT_FAKESQLD"] = main;
  const { tool } = await find(machine);
  expect(tool).toMatchObject({ version: "1.9.0", origin: "env", prefix: null });
  expect(tool.command("fakesqld")).toEqual([main]);
});

test("a variable that names no executable file is an error, even with a good program on PATH", async () => {
  const machine = bareMachine();
  program(join(machine.bin, "fakesqld"), "fakesqld Ver 1.0.0");
  const plain = place(join(machine.root, "plain"), "");
  machine.env["AUTOPILOT_FAKESQLD"] = plain;
  await expect(find(machine)).rejects.toMatchObject({
    name: "ConfigError",
    code: "AP_TOOL_UNUSABLE",
    message: `AUTOPILOT_FAKESQLD: ${plain}: not an executable file`,
  });
});

test("a variable that names a refused version is an error with the reason", async () => {
  const machine = bareMachine();
  machine.env["AUTOPILOT_FAKESQLD"] = program(join(machine.root, "old"), "fakesqld Ver 0.9.0");
  await expect(find(machine)).rejects.toMatchObject({
    code: "AP_TOOL_UNUSABLE",
    message: expect.stringContaining("too old: 0.9.0"),
  });
});

test("an empty variable counts as unset", async () => {
  const machine = bareMachine();
  machine.env["AUTOPILOT_FAKESQLD"] = "";
  program(join(machine.bin, "fakesqld"), "fakesqld Ver 1.0.0");
  expect((await find(machine)).tool.origin).toBe("path");
});

test("a program on PATH is taken without a word, and nothing is cached", async () => {
  const machine = debianMachine();
  const main = program(join(machine.bin, "fakesqld"), "fakesqld Ver 1.0.0");
  const { tool, lines } = await find(machine);
  expect(tool).toMatchObject({ version: "1.0.0", origin: "path", prefix: null });
  expect(tool.command("fakesqld")).toEqual([main]);
  expect(lines).toEqual([]);
  expect(log(machine)).toEqual([]);
});

test("a refused program on PATH is passed over for a later one", async () => {
  const machine = bareMachine();
  program(join(machine.root, "first/fakesqld"), "othersqld Ver 11");
  const second = program(join(machine.root, "second/fakesqld"), "fakesqld Ver 1.0.0");
  machine.env["PATH"] = `${machine.root}/first:${machine.root}/second`;
  expect((await find(machine)).tool.command("fakesqld")).toEqual([second]);
});

test("the sbin directory beside a bin directory of PATH is looked into", async () => {
  const machine = bareMachine();
  const main = program(join(machine.root, "usr/sbin/fakesqld"), "fakesqld Ver 1.0.0");
  machine.env["PATH"] = `${machine.root}/usr/bin`;
  expect((await find(machine)).tool.command("fakesqld")).toEqual([main]);
});

test("an installed tool's other programs are found beside it, beside its link's target, then on PATH", async () => {
  const machine = bareMachine();
  const { root, bin } = machine;
  program(join(root, "opt/fakesqld"), "fakesqld Ver 1.0.0");
  symlinkSync(join(root, "opt/fakesqld"), join(bin, "fakesqld"));
  const beside = program(join(bin, "fakesql"), "");
  const target = program(join(root, "opt/fakedump"), "");
  const elsewhere = program(join(root, "more/fakeadmin"), "");
  machine.env["PATH"] = `${bin}:${root}/more`;
  const { tool } = await find(machine);
  expect(tool.command("fakesql")).toEqual([beside]);
  expect(tool.command("fakedump")).toEqual([target]);
  expect(tool.command("fakeadmin")).toEqual([elsewhere]);
  expect(() => tool.command("fakenothing")).toThrow(
    expect.objectContaining({ code: "AP_TOOL_MISSING", hint: fakeSpec.install }),
  );
});

test("without any source the error says why each was rejected and what to install", async () => {
  const machine = bareMachine();
  const old = program(join(machine.bin, "fakesqld"), "fakesqld Ver 0.9.0");
  await expect(find(machine)).rejects.toMatchObject({
    name: "UnavailableError",
    code: "AP_TOOL_MISSING",
    hint: fakeSpec.install,
    message: [
      "fakesql 1.2: no usable fakesqld: AUTOPILOT_FAKESQLD is not set",
      `${old}: too old: 0.9.0`,
      `not in the cache at ${machine.cacheDir}/fakesql-1.2`,
      "fetching: no apt-get on PATH: not Debian or a relative of it",
    ].join("; "),
  });
});

test("a tool that no archive has is found, or missed without asking for one", async () => {
  const machine = debianMachine();
  const { env, cacheDir } = machine;
  const spec = { ...fakeSpec, apt: null };
  const progress = (): void => expect.unreachable("nothing is to be fetched");
  await expect(findTool(spec, { progress, env, cacheDir })).rejects.toMatchObject({
    code: "AP_TOOL_MISSING",
    message: "fakesql 1.2: no usable fakesqld: AUTOPILOT_FAKESQLD is not set; no fakesqld on PATH",
  });
  program(join(machine.bin, "fakesqld"), "fakesqld Ver 1.0.0");
  expect((await findTool(spec, { progress, env, cacheDir })).version).toBe("1.0.0");
});

test("a program that cannot print its version is rejected with what it said", async () => {
  const machine = bareMachine();
  const main = join(machine.bin, "fakesqld");
  program(main, "");
  place(main, "#!/bin/sh\necho libmissing.so: not found >&2\nexit 127\n");
  await expect(find(machine)).rejects.toMatchObject({
    message: expect.stringContaining(
      "--version ended with exit code 127: libmissing.so: not found",
    ),
  });
});

test("an aborted search throws the signal's reason", async () => {
  const machine = debianMachine();
  const abort = new AbortController();
  const stop = new Error("stopped by hand");
  const progress = (): void => abort.abort(stop);
  const { env, cacheDir } = machine;
  const search = findTool(fakeSpec, { progress, env, cacheDir, signal: abort.signal });
  await expect(search).rejects.toBe(stop);
  // Nothing of it is in the way of the next search.
  expect((await find(machine)).tool.origin).toBe("fetched");
});
