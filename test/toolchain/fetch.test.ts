// Fetching into the cache: what is left behind, and what happens to runs that fail, are killed, or come together.
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, test } from "vitest";
import { describeHolder, takeLock } from "../../src/local/toolchain/lock.ts";
import { findTool } from "../../src/local/toolchain.ts";
import { fakeSpec } from "./fake-spec.ts";
import { debianMachine, find, log, PACKAGES, place, type Machine } from "./machine.ts";

const findInProcess = join(import.meta.dirname, "find-in-process.ts");
/** Above the kernel's greatest pid, proc(5): never runs. */
const ENDED = 2 ** 22 + 1;
const DOWNLOADS = PACKAGES.map((name) => `get ${name}`);

test("a first run fetches with a line per step and leaves nothing but the whole prefix", async () => {
  const machine = debianMachine();
  const { tool, lines } = await find(machine);
  const prefix = join(machine.cacheDir, "fakesql-1.2");
  expect(tool).toMatchObject({ version: "1.2.3", origin: "fetched", prefix });
  expect(tool.command("fakesqld")).toEqual([join(prefix, "usr/sbin/fakesqld")]);
  expect(lines).toEqual([
    "fakesql 1.2: reading the package lists of sid",
    "fakesql 1.2: fetching 3 packages, 63 MB …",
    "fakesql 1.2: unpacking 3 packages, 63 MB",
    expect.stringMatching(/^fakesql 1\.2: ready in \d+ s$/),
  ]);
  expect(readdirSync(machine.cacheDir)).toEqual(["fakesql-1.2"]);
  expect(JSON.parse(readFileSync(join(prefix, "complete.json"), "utf8"))).toEqual({
    tool: "fakesql",
    version: "1.2",
    suite: "sid",
    packages: PACKAGES,
  });
});

test("a second run takes the cache without a word and without apt", async () => {
  const machine = debianMachine();
  await find(machine);
  const before = log(machine);
  const { tool, lines } = await find(machine);
  expect(tool).toMatchObject({ version: "1.2.3", origin: "cache" });
  expect(lines).toEqual([]);
  expect(log(machine)).toEqual(before);
});

test("the cache is below XDG_CACHE_HOME, or ~/.cache where that is not an absolute path", async () => {
  const machine = debianMachine();
  const search = (XDG_CACHE_HOME: string): Promise<{ prefix: string | null }> =>
    findTool(fakeSpec, { progress: () => {}, env: { ...machine.env, XDG_CACHE_HOME } });
  const below = "autopilot/toolchain/fakesql-1.2";
  expect((await search(join(machine.root, "xdg"))).prefix).toBe(join(machine.root, "xdg", below));
  expect((await search("relative")).prefix).toBe(join(machine.root, ".cache", below));
});

test("apt gets the machine's mirror and keyring, and is never told to trust anything else", async () => {
  const machine = debianMachine();
  await find(machine);
  const sources = readFileSync(join(machine.root, "archive.sources"), "utf8");
  expect(sources).toBe(
    "Types: deb\nURIs: http://mirror.test/debian\nSuites: sid\nComponents: main\nTargets: Packages\n" +
      "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
  );
  const conf = readFileSync(join(machine.root, "apt.conf"), "utf8");
  expect(conf).toContain('Acquire::AllowInsecureRepositories "false";');
  expect(conf).toContain('APT::Get::AllowUnauthenticated "false";');
});

test.each([
  ["E: The repository '… sid Release' does not have a Release file.", "update", "not have it"],
  ["W: GPG error: NO_PUBKEY 1\nE: … is not signed.", "update", "keys that this machine does not"],
  ["E: Failed to fetch … Could not connect", "update", "archive does not answer"],
  ["E: Unable to locate package fakesql-server", "list", "it has no such package"],
  ["E: write (28: No space left on device)", "download", "the disk is full"],
  ["E: something else", "download", "exit code 100"],
])("when apt says %j the error explains it and carries it", async (says, when, meaning) => {
  const machine = debianMachine();
  place(join(machine.root, `fail-${when}`), says);
  await expect(find(machine)).rejects.toMatchObject({
    code: "AP_TOOL_MISSING",
    hint: fakeSpec.install,
    message: expect.stringMatching(new RegExp(`fetching: suite sid: .*${meaning}`)),
    cause: expect.objectContaining({ message: says }),
  });
});

test("an apt-get that a killed run left behind is waited for", async () => {
  const machine = debianMachine();
  place(join(machine.root, "busy-update"), "E: Could not get lock …/lists/lock. It is held by 1");
  const { tool, lines } = await find(machine);
  expect(tool.origin).toBe("fetched");
  expect(lines).toContain("fakesql 1.2: waiting for an interrupted run's apt-get");
});

test("a machine whose apt names no distribution archive is told so", async () => {
  const machine = debianMachine();
  place(join(machine.root, "etc/sources.list.d/debian.sources"), "");
  await expect(find(machine)).rejects.toMatchObject({
    message: expect.stringContaining("fetching: no main Debian or Ubuntu archive in"),
  });
});

test("what was fetched is refused when the spec does not accept it", async () => {
  const machine = debianMachine();
  const spec = { ...fakeSpec, accept: () => ({ ok: false, why: "wrong age" }) as const };
  const { env, cacheDir } = machine;
  await expect(findTool(spec, { progress: () => {}, env, cacheDir })).rejects.toMatchObject({
    message: expect.stringMatching(/fetching: what was fetched is unusable: .*wrong age/),
  });
  expect(existsSync(join(cacheDir, "fakesql-1.2"))).toBe(false);
});

test("packages fetched alone are downloaded without their dependencies", async () => {
  const machine = debianMachine();
  const spec = { ...fakeSpec, apt: { ...fakeSpec.apt, alone: true } };
  const { env, cacheDir } = machine;
  await findTool(spec, { progress: () => {}, env, cacheDir });
  const argv = readFileSync(join(machine.root, "argv"), "utf8").trim().split("\n").at(-1);
  expect(argv).toMatch(/apt\.conf download fakesql-server fakesql-client$/);
});

test("after a failed unpacking the downloads are kept, but for the package that cannot be unpacked", async () => {
  const machine = debianMachine();
  place(join(machine.root, "fail-unpack"), "");
  await expect(find(machine)).rejects.toMatchObject({
    message: expect.stringMatching(/fetching: dpkg -x .*libfake_1_all\.deb: exit code 2/),
  });
  expect(readdirSync(machine.cacheDir)).toEqual(["fakesql-1.2.apt"]);
  const { lines } = await find(machine);
  expect(lines).toContain("fakesql 1.2: fetching 1 package, 21 MB …");
  expect(gets(machine)).toEqual([...DOWNLOADS, DOWNLOADS[0]]);
});

test("a run that was killed while it unpacked is made again, without downloading again", async () => {
  const machine = debianMachine();
  place(join(machine.root, "kill-maker"), "");
  const killed = await inProcess(machine);
  expect(killed.signal).toBe("SIGKILL");
  const left = readdirSync(machine.cacheDir).toSorted();
  expect(left).toEqual([
    "fakesql-1.2.apt",
    "fakesql-1.2.lock",
    expect.stringMatching(/^fakesql-1\.2\.tmp-\d+-[0-9a-f]+$/),
  ]);
  expect((await find(machine)).tool.origin).toBe("fetched");
  expect(gets(machine)).toEqual(DOWNLOADS);
  expect(readdirSync(machine.cacheDir)).toEqual(["fakesql-1.2"]);
});

test("a prefix without complete.json is never used, but made again", async () => {
  const machine = debianMachine();
  place(join(machine.cacheDir, "fakesql-1.2/usr/sbin/half"), "");
  expect((await find(machine)).tool.origin).toBe("fetched");
  expect(existsSync(join(machine.cacheDir, "fakesql-1.2/usr/sbin/half"))).toBe(false);
  expect(readdirSync(machine.cacheDir)).toEqual(["fakesql-1.2"]);
});

test("concurrent searches of one process fetch once and use the same prefix", async () => {
  const machine = debianMachine();
  const found = await Promise.all([find(machine), find(machine), find(machine)]);
  expect(found.map(({ tool }) => tool.origin).toSorted()).toEqual(["cache", "cache", "fetched"]);
  expect(new Set(found.map(({ tool }) => tool.prefix)).size).toBe(1);
  expect(log(machine).filter((line) => line === "update")).toHaveLength(1);
});

test("concurrent first runs of several processes fetch once and use the same prefix", async () => {
  const machine = debianMachine();
  const runs = await Promise.all([1, 2, 3, 4].map(() => inProcess(machine)));
  const found = runs.map(({ stdout }) => JSON.parse(stdout) as { origin: string; prefix: string });
  expect(found.filter(({ origin }) => origin === "fetched")).toHaveLength(1);
  expect(new Set(found.map(({ prefix }) => prefix)).size).toBe(1);
  expect(gets(machine)).toEqual(DOWNLOADS);
  expect(readdirSync(machine.cacheDir)).toEqual(["fakesql-1.2"]);
});

test("who finds another at work says so and waits for it", async () => {
  const machine = debianMachine();
  mkdirSync(machine.cacheDir);
  const lock = join(machine.cacheDir, "fakesql-1.2.lock");
  const held = await takeLock(lock, new AbortController().signal, () => {});
  let released: Promise<void> | undefined;
  const { lines } = await find(machine, (line) => {
    if (line.includes("waiting")) released = Promise.resolve(held[Symbol.asyncDispose]());
  });
  await released;
  expect(lines[0]).toBe(`fakesql 1.2: waiting for process ${process.pid}, which fetches it`);
});

test.each([
  ["ended", { pid: ENDED, start: "1" }],
  ["ended, while another has its pid,", { pid: process.pid, start: "1" }],
])("the lock of a process that %s is no lock", async (_, who) => {
  const machine = debianMachine();
  const lock = join(machine.cacheDir, "fakesql-1.2.lock");
  place(lock, JSON.stringify({ ...describeHolder(), ...who }));
  const { tool, lines } = await find(machine);
  expect(tool.origin).toBe("fetched");
  expect(lines.join()).not.toContain("waiting");
});

test("a lock from another host holds for as long as its holder may work, and no longer", async () => {
  const machine = debianMachine();
  const lock = join(machine.cacheDir, "fakesql-1.2.lock");
  place(lock, JSON.stringify({ ...describeHolder(), host: "elsewhere" }));
  const abort = new AbortController();
  const progress = (line: string): void => abort.abort(line);
  const { env, cacheDir } = machine;
  const held = findTool(fakeSpec, { progress, env, cacheDir, signal: abort.signal });
  await expect(held).rejects.toContain("waiting for process");
  const long = new Date(Date.now() - 16 * 60_000);
  utimesSync(lock, long, long);
  expect((await find(machine)).tool.origin).toBe("fetched");
});

test("what a living process makes is left alone", async () => {
  const machine = debianMachine();
  place(join(machine.cacheDir, "fakesql-1.2.tmp-1-0000/usr"), "");
  place(join(machine.cacheDir, `fakesql-1.2.tmp-${ENDED}-0000/usr`), "");
  await find(machine);
  expect(readdirSync(machine.cacheDir).toSorted()).toEqual([
    "fakesql-1.2",
    "fakesql-1.2.tmp-1-0000",
  ]);
});

test("an empty lock file is no lock", async () => {
  const machine = debianMachine();
  place(join(machine.cacheDir, "fakesql-1.2.lock"), "");
  expect((await find(machine)).tool.origin).toBe("fetched");
});

function gets(machine: Machine): readonly string[] {
  return log(machine).filter((line) => line.startsWith("get "));
}

function inProcess(machine: Machine) {
  return execa(process.execPath, [findInProcess, machine.cacheDir], {
    env: machine.env,
    extendEnv: false,
    reject: false,
  });
}
