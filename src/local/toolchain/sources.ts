// Which archive this machine already gets its packages from, read from apt's own source lists.
// No host name is ever ours: a tool comes from where the machine's administrator lets its packages come from.
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { programsOnPath, run, type Surroundings } from "./child.ts";

export type Archive = {
  readonly uri: string;
  /** The keyring file that the entry names; null means apt's trusted default directories. */
  readonly signedBy: string | null;
};

/** One entry of a source list, with only what the choice depends on. */
type Entry = {
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
  readonly signedBy: string | null;
};

/**
 * The machine's main Debian or Ubuntu archive. Throws an Error that says so when apt names none
 * (third parties, security mirrors, CD-ROMs and entries that are switched off do not count).
 */
export async function machineArchive(around: Surroundings): Promise<Archive> {
  const { list, parts } = await sourceLists(around);
  const texts = await Promise.all((await inOrder(list, parts)).map(readList));
  const archive = chooseArchive(texts);
  if (archive === null) throw new Error(`no main Debian or Ubuntu archive in ${list} or ${parts}`);
  return archive;
}

/**
 * Chooses from source lists, given as file name and text in order of trust. An entry that is signed by the
 * distribution's own archive keyring wins over one without a keyring; any other keyring belongs to a third party.
 */
export function chooseArchive(
  lists: readonly { readonly name: string; readonly text: string }[],
): Archive | null {
  const entries = lists.flatMap(({ name, text }) =>
    name.endsWith(".sources") ? parseDeb822(text) : parseOneLine(text),
  );
  const archives = entries.filter(isMain).flatMap(({ uris, signedBy }) =>
    uris
      .filter((uri) => !uri.startsWith("cdrom:"))
      .filter((uri) => signedBy !== null || DISTRIBUTION_PATH.test(uri))
      .map((uri) => ({ uri, signedBy })),
  );
  return archives.find(({ signedBy }) => signedBy !== null) ?? archives[0] ?? null;
}

// "…/debian", "…/archive/debian/2025…Z", "mirror+file:/etc/apt/mirrors/debian.list"; not "…/debian-security".
const DISTRIBUTION_PATH = /\/(debian|ubuntu|ubuntu-ports)(\/|\.list$|$)/;
const DISTRIBUTION_KEYRING = /^(debian|ubuntu)-archive-[\w-]+\.(gpg|asc|pgp)$/;

/** A plain suite ("bookworm", not "bookworm-security" or "buster/updates") with `main`, signed by the distribution. */
function isMain(entry: Entry): boolean {
  if (!entry.components.includes("main")) return false;
  if (!entry.suites.some((suite) => /^[a-z]+$/.test(suite))) return false;
  return entry.signedBy === null || DISTRIBUTION_KEYRING.test(basename(entry.signedBy));
}

/** The classic lists: `deb [signed-by=FILE arch=amd64] URI SUITE COMPONENT…`, sources.list(5). */
function parseOneLine(text: string): readonly Entry[] {
  return text.split("\n").flatMap((line) => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s+([^#]+)/.exec(line);
    if (match === null) return [];
    const [, options = "", uri = "", suite = "", components = ""] = match;
    const signedBy = /(?:^|\s)signed-by=(\S+)/i.exec(options)?.[1] ?? null;
    return [{ uris: [uri], suites: [suite], components: words(components), signedBy }];
  });
}

/** The `.sources` files: paragraphs of `Field: value`, continued by indented lines, `#` comments; deb822(5). */
function parseDeb822(text: string): readonly Entry[] {
  const bare = text.replaceAll(/^#.*\n?/gm, "");
  return bare.split(/\n\s*\n/).flatMap((paragraph) => {
    const fields = new Map<string, string>();
    for (const [, name = "", value = ""] of paragraph.matchAll(
      /^([\w-]+):((?:.*)(?:\n[ \t].*)*)/gm,
    ))
      fields.set(name.toLowerCase(), value.trim());
    const list = (name: string): readonly string[] => words(fields.get(name) ?? "");
    if (!list("types").includes("deb") || /^(no|false|off|0)$/i.test(fields.get("enabled") ?? ""))
      return [];
    const uris = list("uris");
    const signedBy = fields.get("signed-by") ?? null;
    return [{ uris, suites: list("suites"), components: list("components"), signedBy }];
  });
}

function words(text: string): readonly string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

/** Where apt itself says that its lists are. */
async function sourceLists(around: Surroundings): Promise<{ list: string; parts: string }> {
  const aptConfig = programsOnPath("apt-config", around.env)[0];
  if (aptConfig === undefined) throw new Error("no apt-config on PATH");
  const query = ["shell", "LIST", "Dir::Etc::sourcelist/f", "PARTS", "Dir::Etc::sourceparts/d"];
  const told = await run([aptConfig, ...query], around, { timeoutMs: 30_000 });
  const value = (name: string): string =>
    new RegExp(`^${name}='(.*)'$`, "m").exec(told.output)?.[1] ?? "";
  if (!told.ok || value("LIST") === "") throw new Error(`apt-config: ${told.why || told.output}`);
  return { list: value("LIST"), parts: value("PARTS") };
}

/** apt's main list, then the distribution's own file, then the rest, where third parties are. */
async function inOrder(list: string, parts: string): Promise<readonly string[]> {
  const names = (await readdir(parts).catch(() => [])) // without parts there is the list alone
    .filter((name) => /\.(list|sources)$/.test(name))
    .toSorted();
  const own = names.filter((name) => /^(debian|ubuntu)\.sources$/.test(name));
  const others = names.filter((name) => !own.includes(name));
  return [list, ...[...own, ...others].map((name) => join(parts, name))];
}

async function readList(path: string): Promise<{ name: string; text: string }> {
  // The main list is often not there, and a part may be readable by root alone: neither can be chosen from.
  return { name: basename(path), text: await readFile(path, "utf8").catch(() => "") };
}
