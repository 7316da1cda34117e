// How programs of a private prefix are started.
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { interpreterOf } from "../../src/local/toolchain/elf.ts";
import { tryPrefix } from "../../src/local/toolchain/tool.ts";
import { fakeSpec } from "./fake-spec.ts";
import { debianMachine, find, place, type Machine } from "./machine.ts";

const X86 = "ld-linux-x86-64.so.2";
const ARM = "ld-linux-aarch64.so.1";

test.each([
  ["x86_64", `/lib64/${X86}`, `usr/lib/x86_64-linux-gnu/${X86}`],
  ["aarch64", `/lib/${ARM}`, `usr/lib/aarch64-linux-gnu/${ARM}`],
  ["x86_64 before usr-merge", `/lib64/${X86}`, `lib/x86_64-linux-gnu/${X86}`],
])("a dynamic %s program is started by the prefix's own loader", async (_, interpreter, loader) => {
  const machine = debianMachine();
  const { tool } = await find(machine);
  const prefix = tool.prefix ?? "";
  place(join(prefix, loader), "");
  const program = executable(join(prefix, "usr/bin/fakedump"), elf(interpreter));
  const path = join(prefix, loader);
  const libraries = path.slice(0, path.lastIndexOf("/"));
  expect(tool.command("fakedump")).toEqual([path, "--library-path", libraries, program]);
});

test("all library directories of the prefix are given", async () => {
  const { tool, prefix } = await fetched(debianMachine());
  place(join(prefix, `usr/lib/x86_64-linux-gnu/${X86}`), "");
  place(join(prefix, "lib/x86_64-linux-gnu/libc.so.6"), "");
  executable(join(prefix, "usr/bin/fakedump"), elf(`/lib64/${X86}`));
  expect(tool.command("fakedump")[2]).toBe(
    `${prefix}/usr/lib/x86_64-linux-gnu:${prefix}/lib/x86_64-linux-gnu`,
  );
});

test("directories of the tool's own are given after them", async () => {
  const { prefix } = await fetched(debianMachine());
  place(join(prefix, `usr/lib/x86_64-linux-gnu/${X86}`), "");
  executable(join(prefix, "usr/bin/fakedump"), elf(`/lib64/${X86}`));
  const spec = { ...fakeSpec, apt: { ...fakeSpec.apt, libraries: ["fake"] } };
  const around = { env: process.env, signal: new AbortController().signal, progress: () => {} };
  const { tool, why } = await tryPrefix(spec, "cache", prefix, around);
  expect(why).toBeUndefined();
  const libraries = `${prefix}/usr/lib/x86_64-linux-gnu`;
  expect(tool?.command("fakedump")[2]).toBe(`${libraries}:${libraries}/fake`);
});

test("a script, a static program, and any program of a prefix without a loader are run directly", async () => {
  const { tool, prefix } = await fetched(debianMachine());
  const dynamic = executable(join(prefix, "usr/bin/dynamic"), elf(`/lib64/${X86}`));
  expect(tool.command("dynamic")).toEqual([dynamic]);
  place(join(prefix, `usr/lib/x86_64-linux-gnu/${X86}`), "");
  const fixed = executable(join(prefix, "usr/bin/static"), elf(null));
  expect(tool.command("static")).toEqual([fixed]);
  expect(tool.command("fakesqld")).toEqual([join(prefix, "usr/sbin/fakesqld")]);
});

test("a program that the prefix does not have is an error that says where it was looked for", async () => {
  const { tool, prefix } = await fetched(debianMachine());
  expect(() => tool.command("fakenothing")).toThrow(
    expect.objectContaining({
      code: "AP_TOOL_MISSING",
      message: `fakesql 1.2: no program fakenothing in ${prefix}`,
    }),
  );
});

test("the loader of the running node is read from its file", () => {
  expect(interpreterOf(process.execPath)).toMatch(/\/ld-/);
});

test("a file that is cut short names no loader", () => {
  const machine = debianMachine();
  const whole = elf(`/lib64/${X86}`);
  for (const length of [0, 4, 63, 64, 100])
    expect(interpreterOf(place(join(machine.root, "cut"), whole.subarray(0, length)))).toBe(null);
});

async function fetched(machine: Machine) {
  const { tool } = await find(machine);
  return { tool, prefix: tool.prefix ?? "" };
}

function executable(path: string, content: Buffer): string {
  place(path, content);
  chmodSync(path, 0o755);
  return path;
}

/** The least ELF file: its header, one program header, and the interpreter's name; elf(5). */
function elf(interpreter: string | null): Buffer {
  const name = Buffer.from(`${interpreter ?? ""}\0`);
  const head = Buffer.alloc(64 + 56);
  head.write("\x7fELF\x02\x01", "latin1");
  head.writeBigUInt64LE(64n, 32);
  head.writeUInt16LE(56, 54);
  head.writeUInt16LE(1, 56);
  head.writeUInt32LE(interpreter === null ? 1 : 3, 64);
  head.writeBigUInt64LE(120n, 64 + 8);
  head.writeBigUInt64LE(BigInt(name.length), 64 + 32);
  return Buffer.concat([head, name]);
}
