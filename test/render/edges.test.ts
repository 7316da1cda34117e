// Files and commands as they are: the disk, the shell.
import {
  chmod,
  chown,
  lstat,
  mkdir,
  readFile,
  readdir,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCommand } from "../../src/render/run-command.ts";
import { readText } from "../../src/render/watch-sources.ts";
import { writeWhole } from "../../src/render/write-file.ts";
import { until } from "../contract/until.ts";

let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "autopilot-render-"));
});
afterAll(() => rm(dir, { recursive: true }));

describe("a rendered file", () => {
  test("appears whole: a reader never sees a part of it", async () => {
    const path = join(dir, "whole");
    const texts = ["a", "b"].map((char) => char.repeat(4_000_000));
    await writeWhole(path, texts[0] ?? "");
    let isWriting = true;
    const writing = (async () => {
      for (let i = 0; i < 20; i++) await writeWhole(path, texts[i % 2] ?? "");
      isWriting = false;
    })();
    let reads = 0;
    for (; isWriting; reads++) expect(texts.includes(await readFile(path, "utf8"))).toBe(true);
    await writing;
    expect(reads).toBeGreaterThan(0);
    expect(await readdir(dir)).toEqual(["whole"]);
  });

  test("is not touched when its text is the same", async () => {
    const path = join(dir, "same");
    expect(await writeWhole(path, "x")).toBe(true);
    const before = await stat(path);
    expect(await writeWhole(path, "x")).toBe(false);
    const { ino, mtimeMs, ctimeMs } = await stat(path);
    expect([ino, mtimeMs, ctimeMs]).toEqual([before.ino, before.mtimeMs, before.ctimeMs]);
  });

  test("keeps mode and owner", async () => {
    const path = join(dir, "kept");
    await writeFile(path, "before");
    await chmod(path, 0o640);
    const isRoot = process.getuid?.() === 0;
    if (isRoot) await chown(path, 12_345, 12_346);
    expect(await writeWhole(path, "after")).toBe(true);
    const { mode, uid, gid } = await stat(path);
    expect(mode & 0o7777).toBe(0o640);
    if (isRoot) expect([uid, gid]).toEqual([12_345, 12_346]);
  });

  test("behind a link leaves the link a link", async () => {
    const [path, link] = [join(dir, "target"), join(dir, "link")];
    await writeFile(path, "before");
    await symlink("target", link);
    await writeWhole(link, "after");
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
    expect(await readFile(path, "utf8")).toBe("after");
  });

  test("is refused where a directory is, or none; nothing is left behind", async () => {
    await mkdir(join(dir, "taken"));
    await expect(writeWhole(join(dir, "taken"), "x")).rejects.toMatchObject({ exitCode: 78 });
    const none = writeWhole(join(dir, "none", "x"), "x");
    await expect(none).rejects.toMatchObject({ code: "AP_RENDER_WRITE", exitCode: 69 });
    expect((await readdir(dir)).filter((name) => name.startsWith("."))).toEqual([]);
  });
});

describe("a file that a template is, or asks for", () => {
  test("is read as text, and refused with the reason where it is none or too large", async () => {
    const large = join(dir, "large");
    await writeFile(large, "x".repeat(1024 * 1024));
    expect(readText(large)).toHaveProperty("text");
    await writeFile(large, "x".repeat(1024 * 1024 + 1));
    expect(readText(large)).toEqual({ problem: "it has more than 1048576 bytes" });
    expect(readText(dir)).toEqual({ problem: "it is no file" });
    expect(readText(join(dir, "nowhere"))).toMatchObject({
      problem: expect.stringMatching(/^ENOENT/),
    });
  });
});

describe("a command", () => {
  const signal = new AbortController().signal;

  test("says how it failed", async () => {
    await runCommand("true", { timeoutMs: 10_000, signal });
    const failing = runCommand("exit 3", { timeoutMs: 10_000, signal });
    await expect(failing).rejects.toMatchObject({
      code: "AP_RENDER_COMMAND",
      message: 'command "exit 3": it exited with 3',
    });
    const killed = runCommand("kill -TERM $$", { timeoutMs: 10_000, signal });
    await expect(killed).rejects.toThrow("it was ended by SIGTERM");
  });

  test("that takes too long is ended with everything that it started", async () => {
    const pids = join(dir, "pids");
    const endless = `sleep 300 & echo $! > ${pids}; wait`;
    await expect(runCommand(endless, { timeoutMs: 500, signal })).rejects.toThrow(
      "limit of 500 ms",
    );
    const pid = Number(await readFile(pids, "utf8"));
    expect(pid).toBeGreaterThan(0);
    await until("its child is gone", () => !isAlive(pid));
  });

  test("has the user's variables, without our token", async () => {
    const seen = join(dir, "seen");
    process.env["CONSUL_HTTP_TOKEN"] = "a-secret";
    process.env["NGINX_PREFIX"] = "/srv";
    try {
      await runCommand(`env > ${seen}`, { timeoutMs: 10_000, signal });
    } finally {
      delete process.env["CONSUL_HTTP_TOKEN"];
      delete process.env["NGINX_PREFIX"];
    }
    const text = await readFile(seen, "utf8");
    expect(text).toContain("NGINX_PREFIX=/srv");
    expect(text).not.toContain("a-secret");
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
