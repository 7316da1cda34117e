// A made-up Debian machine in a temporary directory: apt-get, apt-config and dpkg are small scripts that answer as
// the real ones do, log what they did, and can be told to fail. No network, nothing of the real machine.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import { findTool, type Tool } from "../../src/local/toolchain.ts";
import { fakeSpec } from "./fake-spec.ts";

export type Machine = {
  readonly root: string;
  readonly cacheDir: string;
  /** Only what is here is on PATH. */
  readonly bin: string;
  readonly env: NodeJS.ProcessEnv;
};

/** The file names and sizes that the fake archive's closure has. */
export const PACKAGES = ["libfake_1_all", "fakesql-server_1.2.3_all", "fakesql-client_1.2.3_all"];

const SOURCES = `Types: deb
URIs: http://mirror.test/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
`;

/** A machine without any program at all; gone when the test ends. */
export function bareMachine(): Machine {
  const root = mkdtempSync(join(tmpdir(), "autopilot-toolchain-"));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const bin = join(root, "programs");
  mkdirSync(bin);
  return { root, cacheDir: join(root, "cache"), bin, env: { PATH: bin, HOME: root } };
}

/** A machine with apt, whose archive carries fakesql. */
export function debianMachine(): Machine {
  const machine = bareMachine();
  const { root, bin } = machine;
  place(join(root, "etc/sources.list.d/debian.sources"), SOURCES);
  script(join(bin, "apt-config"), [
    `echo "LIST='${root}/etc/sources.list'"`,
    `echo "PARTS='${root}/etc/sources.list.d/'"`,
  ]);
  script(join(bin, "apt-get"), [
    `cd ${root}`,
    `echo "$*" >> argv`,
    `for arg in "$@"; do case "$last" in -c) conf=$arg ;; esac; last=$arg; done`,
    `archives=$(dirname "$conf")/archives`,
    `case "$*" in`,
    `  *update*) verb=update ;; *--print-uris*) verb=list ;; *) verb=download ;;`,
    `esac`,
    `if [ -e "fail-$verb" ]; then cat "fail-$verb" >&2; exit 100; fi`,
    `if [ -e "busy-$verb" ]; then cat "busy-$verb" >&2; rm "busy-$verb"; exit 100; fi`,
    `echo "$verb" >> log`,
    `cp "$(dirname "$conf")/apt.conf" "$(dirname "$conf")/archive.sources" .`,
    `for name in ${PACKAGES.join(" ")}; do`,
    `  case "$verb" in`,
    `    list) echo "'http://mirror.test/debian/$name.deb' $name.deb 21000000 MD5Sum:0" ;;`,
    `    download) if [ ! -e "$archives/$name.deb" ]; then echo "get $name" >> log; : > "$archives/$name.deb"; fi ;;`,
    `  esac`,
    `done`,
  ]);
  // -x FILE DIRECTORY. The program that is "unpacked" is a script; its own path is in $0.
  script(join(bin, "dpkg"), [
    `cd ${root}`,
    `if [ -e fail-unpack ]; then mv fail-unpack failed-unpack; echo "dpkg-deb: error: corrupted" >&2; exit 2; fi`,
    `if [ -e kill-maker ]; then mv kill-maker killed-maker; kill -9 $PPID; exit 1; fi`,
    `mkdir -p "$3/usr/sbin" "$3/usr/bin"`,
    `printf '#!/bin/sh\\necho fakesqld Ver 1.2.3\\n' > "$3/usr/sbin/fakesqld"`,
    `printf '#!/bin/sh\\n' > "$3/usr/bin/fakesql"`,
    `chmod +x "$3/usr/sbin/fakesqld" "$3/usr/bin/fakesql"`,
  ]);
  return machine;
}

/** An executable that prints `output`, whatever its arguments. */
export function program(path: string, output: string): string {
  script(path, [`echo '${output}'`]);
  return path;
}

export function place(path: string, content: string | Buffer): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

/** What the machine's apt-get did, in order. */
export function log(machine: Machine): readonly string[] {
  const path = join(machine.root, "log");
  return existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
}

/** Finds fakesql on the machine; with the progress lines. */
export async function find(
  machine: Machine,
  onProgress: (line: string) => void = () => {},
): Promise<{ tool: Tool; lines: readonly string[] }> {
  const lines: string[] = [];
  const progress = (line: string): void => {
    lines.push(line);
    onProgress(line);
  };
  const tool = await findTool(fakeSpec, { progress, env: machine.env, cacheDir: machine.cacheDir });
  return { tool, lines };
}

function script(path: string, lines: readonly string[]): void {
  place(path, ["#!/bin/sh", "PATH=/usr/bin:/bin", ...lines, ""].join("\n"));
  chmodSync(path, 0o755);
}
