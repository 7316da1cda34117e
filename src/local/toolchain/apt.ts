// Fetches Debian packages without root and without touching the machine's apt: an apt-get with a state, a cache
// and a source list of its own (all below one directory), and `dpkg -x` instead of an installation.
// Signatures are always verified, with the keyring that the machine itself trusts for its archive.
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { programsOnPath, run, type Outcome, type Surroundings } from "./child.ts";
import { machineArchive, type Archive } from "./sources.ts";
import type { FetchableSpec } from "./tool.ts";

/** The whole of one step; the caller bounds all steps together through the signal. */
const STEP_LIMIT_MS = 10 * 60_000;
/** How often a lock that an interrupted run's apt-get still holds is tried again. */
const APT_LOCK_POLL_MS = 500;
/** Lines of apt's output that an error carries: enough for every message it prints at its end. */
const TAIL_LINES = 12;

/** The programs that fetching needs; absent on anything but Debian and its relatives. */
type Programs = { readonly aptGet: string; readonly dpkg: string };
type PrivateApt = Programs & {
  readonly conf: string;
  readonly archives: string;
  readonly spec: FetchableSpec;
  readonly around: Surroundings;
};
type Package = { readonly file: string; readonly bytes: number };

/**
 * Downloads the spec's packages, with all that they depend on unless they are `alone`, into `dir`, and unpacks them
 * into `into`. Answers the packages' names ("mysql-server-core_9.7.4-2_amd64"). What was downloaded stays in `dir`
 * when anything fails or ends us, so that the next call does not download it again; the caller removes `dir`.
 * Throws an Error whose message is the reason in short and whose cause is the end of apt's output.
 */
export async function fetchPackages(
  spec: FetchableSpec,
  dir: string,
  into: string,
  around: Surroundings,
): Promise<readonly string[]> {
  const programs = findPrograms(around);
  const archive = await machineArchive(around);
  const apt = await privateApt({ ...programs, spec, around }, dir, archive);
  around.progress(`${label(spec)}: reading the package lists of ${spec.apt.suite}`);
  await aptGet(apt, ["update"]);
  const packages = await closure(apt);
  const missing = await notYetDownloaded(apt, packages);
  if (missing.length > 0) {
    around.progress(`${label(spec)}: fetching ${sizes(missing)} …`);
    await aptGet(apt, [...installArgs(spec), ...spec.apt.packages]);
  }
  around.progress(`${label(spec)}: unpacking ${sizes(packages)}`);
  for (const { file } of packages) await unpack(apt, join(apt.archives, file), into);
  return packages.map(({ file }) => file.replace(/\.deb$/, ""));
}

function label(spec: FetchableSpec): string {
  return `${spec.name} ${spec.version}`;
}

function findPrograms(around: Surroundings): Programs {
  const find = (name: string): string => {
    const path = programsOnPath(name, around.env)[0];
    if (path === undefined) throw new Error(`no ${name} on PATH: not Debian or a relative of it`);
    return path;
  };
  return { aptGet: find("apt-get"), dpkg: find("dpkg") };
}

/** Writes the private configuration. Runs again over what an interrupted run left. */
async function privateApt(
  base: Omit<PrivateApt, "conf" | "archives">,
  dir: string,
  archive: Archive,
): Promise<PrivateApt> {
  // Quotes end a value of apt.conf, colons and semicolons separate the loader's directories.
  if (/["\n:;]/.test(dir))
    throw new Error(`${dir} has a quote, a colon or a semicolon in its name`);
  const archives = join(dir, "archives");
  await mkdir(join(dir, "lists", "partial"), { recursive: true });
  await mkdir(join(archives, "partial"), { recursive: true });
  // An empty status: nothing counts as installed, so that the closure is complete, the C library included.
  await writeFile(join(dir, "status"), "");
  await writeFile(join(dir, "archive.sources"), sourceEntry(base.spec, archive));
  const conf = join(dir, "apt.conf");
  await writeFile(conf, configuration(dir));
  return { ...base, conf, archives };
}

function sourceEntry(spec: FetchableSpec, archive: Archive): string {
  const lines = ["Types: deb", `URIs: ${archive.uri}`, `Suites: ${spec.apt.suite}`];
  // Targets: no translations, no apt-file contents, no desktop metadata, whatever the machine adds by default.
  lines.push("Components: main", "Targets: Packages");
  if (archive.signedBy !== null) lines.push(`Signed-By: ${archive.signedBy}`);
  return `${lines.join("\n")}\n`;
}

/** Read by `apt-get -c` after the machine's own configuration, so that its proxies stay in force and its hooks do not. */
function configuration(dir: string): string {
  const options = {
    "Dir::State": `${dir}/`,
    "Dir::State::lists": `${dir}/lists/`,
    "Dir::State::status": `${dir}/status`,
    "Dir::Cache": `${dir}/`,
    "Dir::Cache::archives": `${dir}/archives/`,
    "Dir::Cache::pkgcache": "pkgcache.bin",
    "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
    "Dir::Etc::sourcelist": `${dir}/archive.sources`,
    "Dir::Etc::sourceparts": "/dev/null",
    "Dir::Etc::preferences": "/dev/null",
    "Dir::Etc::preferencesparts": "/dev/null",
    // As root apt would become the user _apt, who may not write below a home directory.
    "APT::Sandbox::User": "root",
    "APT::Install-Recommends": "false",
    // Without this `update` succeeds when it could not read anything.
    "APT::Update::Error-Mode": "any",
    "APT::Get::AllowUnauthenticated": "false",
    "Acquire::AllowInsecureRepositories": "false",
    "Acquire::Retries": "3",
  };
  const hooks = ["APT::Update::Pre-Invoke", "APT::Update::Post-Invoke"].flatMap((hook) => [
    `#clear ${hook};`,
    `#clear ${hook}-Success;`,
  ]);
  const set = Object.entries(options).map(([name, value]) => `${name} "${value}";`);
  return `${[...hooks, ...set].join("\n")}\n`;
}

function installArgs(spec: FetchableSpec): readonly string[] {
  return spec.apt.alone === true ? ["download"] : ["--yes", "--download-only", "install"];
}

/** All packages that belong to the tool, downloaded or not: apt leaves out what its archive directory has. */
async function closure(apt: PrivateApt): Promise<readonly Package[]> {
  const emptyArchives = ["-o", `Dir::Cache::archives=${apt.archives}/partial/none/`];
  const args = [...emptyArchives, ...installArgs(apt.spec), "--print-uris"];
  const output = await aptGet(apt, [...args, ...apt.spec.apt.packages]);
  // 'URI' FILE BYTES HASH
  const packages = [...output.matchAll(/^'[^']+' (\S+\.deb) (\d+)/gm)].map(
    ([, file = "", bytes = ""]) => ({ file, bytes: Number(bytes) }),
  );
  if (packages.length === 0) throw new Error("apt-get lists no packages", { cause: tail(output) });
  return packages;
}

async function notYetDownloaded(
  apt: PrivateApt,
  packages: readonly Package[],
): Promise<readonly Package[]> {
  const there = await readdir(apt.archives);
  return packages.filter(({ file }) => !there.includes(file));
}

/** "60 packages, 66 MB", in apt's own megabytes of 10^6. */
function sizes(packages: readonly Package[]): string {
  const bytes = packages.reduce((sum, { bytes }) => sum + bytes, 0);
  const count = packages.length === 1 ? "1 package" : `${packages.length} packages`;
  return `${count}, ${Math.max(1, Math.round(bytes / 1e6))} MB`;
}

async function unpack(apt: PrivateApt, deb: string, into: string): Promise<void> {
  const argv = [apt.dpkg, "-x", deb, into];
  const done = await run(argv, apt.around, { timeoutMs: STEP_LIMIT_MS });
  if (done.ok) return;
  // A package that cannot be unpacked would be found "downloaded" by every later run.
  await rm(deb, { force: true });
  throw new Error(`dpkg -x ${deb}: ${reason(done)}`, { cause: tail(done.output) });
}

/** Runs the private apt-get and answers its output. Waits for an apt-get that a killed run of ours left behind. */
async function aptGet(apt: PrivateApt, args: readonly string[]): Promise<string> {
  let waited = false;
  for (;;) {
    const argv = [apt.aptGet, "--quiet=2", "-c", apt.conf, ...args];
    // `download` writes into the working directory, all else does not care.
    const done = await run(argv, apt.around, { timeoutMs: STEP_LIMIT_MS, cwd: apt.archives });
    if (done.ok) return done.output;
    if (!/Could not get lock|Unable to lock/.test(done.output)) throw aptError(apt.spec, done);
    if (!waited)
      apt.around.progress(`${label(apt.spec)}: waiting for an interrupted run's apt-get`);
    waited = true;
    await sleep(APT_LOCK_POLL_MS, undefined, { signal: apt.around.signal });
  }
}

function aptError(spec: FetchableSpec, done: Outcome): Error {
  const suite = `suite ${spec.apt.suite}`;
  return new Error(`${suite}: ${reason(done)}`, { cause: tail(done.output) });
}

/** What apt's messages mean, most telling first. */
const MEANINGS: readonly (readonly [RegExp, string])[] = [
  [
    /NO_PUBKEY|EXPKEYSIG|is not signed|couldn't be verified|could not be verified/,
    "its signature needs keys that this machine does not have (a newer debian-archive-keyring has them)",
  ],
  [
    /does not have a Release file|404 +Not Found/,
    "this machine's package archive does not have it",
  ],
  [/Unable to locate package|no installation candidate|has no candidate/, "it has no such package"],
  [/No space left|enough free space/i, "the disk is full"],
  [/Failed to fetch|Temporary failure/, "this machine's package archive does not answer"],
];

function reason(done: Outcome): string {
  return MEANINGS.find(([pattern]) => pattern.test(done.output))?.[1] ?? done.why;
}

function tail(output: string): Error {
  return new Error(output.trim().split("\n").slice(-TAIL_LINES).join("\n"));
}
