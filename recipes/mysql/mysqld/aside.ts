// Datadirs that were set aside: aside/<time>-<uuid>/ with the datadir and why.json, which says why, how large it is and
// whether it is the only place of what the others lack. Which of them go is decided in core/aside.ts.
import { mkdir, readdir, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError, InvariantError } from "../../../src/index.ts";
import type { AsideFacts, RoomFacts } from "../core/aside.ts";
import type { Evidence } from "../machine.ts";
import { namesIn, readDatadir, textOf } from "./datadir.ts";
import { removeDurable, renameDurable, writeDurable, writing } from "./durable.ts";
import { asideName, layout } from "./layout.ts";

type Why = {
  readonly why: string;
  readonly at: string;
  readonly errant: string;
  readonly extracted: boolean;
  readonly evidence: string | null;
  readonly problems: readonly string[];
  readonly bytes: number;
  /** Without binary and relay logs, which no clone copies. */
  readonly dataBytes: number;
};

/**
 * Moves data/ to aside/. Returns where it is now; null when there was no datadir of ours.
 * Errors: ConfigError AP_DATADIR_FOREIGN, AP_DATADIR_UNWRITABLE.
 */
export async function setAside(
  dir: string,
  why: string,
  at: string,
  evidence: Evidence | null,
): Promise<string | null> {
  const facts = await readDatadir(dir);
  const places = layout(dir);
  if (facts.kind === "foreign")
    throw new ConfigError("AP_DATADIR_FOREIGN", `${places.data} is not ours to set aside`);
  if (facts.kind !== "ready" || facts.uuid === null) return null;
  const place = join(places.aside, asideName(at, facts.uuid));
  await writing(place, async () => void (await mkdir(place, { recursive: true, mode: 0o700 })));
  const sizes = await writing(places.data, () => sizesOf(places.data));
  const note: Why & typeof facts = {
    ...facts,
    ...sizes,
    why,
    at,
    errant: evidence?.gtids ?? "",
    extracted: evidence?.complete ?? true,
    evidence: evidence?.place ?? null,
    problems: evidence?.problems ?? [],
  };
  await writeDurable(join(place, WHY), `${JSON.stringify(note, null, 2)}\n`);
  await renameDurable(places.data, join(place, "data"));
  await removeDurable(places.node);
  return place;
}

const WHY = "why.json";

/** Reads only. Errors: ConfigError AP_DATADIR_UNWRITABLE. */
export async function roomOf(dir: string): Promise<RoomFacts> {
  const { aside } = layout(dir);
  const all: AsideFacts[] = [];
  let lastBytes: number | null = null;
  for (const name of (await namesIn(aside)).toSorted()) {
    const why = whyOf(await textOf(join(aside, name, WHY)));
    // One that says nothing of itself may be the only place of what the others lack.
    all.push({ name, bytes: why?.bytes ?? 0, extracted: why?.extracted ?? false });
    lastBytes = why?.dataBytes ?? lastBytes;
  }
  return await writing(dir, async () => {
    await mkdir(dir, { recursive: true });
    const { bavail, bsize } = await statfs(dir);
    // Half-made datadirs go before the next one is made.
    const halves = (await namesIn(dir)).filter((name) => name.startsWith("data.half"));
    let freeBytes = bavail * bsize;
    for (const half of halves) freeBytes += (await sizesOf(join(dir, half))).bytes;
    return { aside: all, freeBytes, lastBytes };
  });
}

/** Errors: InvariantError for one that must stay; ConfigError AP_DATADIR_UNWRITABLE. */
export async function removeAside(dir: string, names: readonly string[]): Promise<void> {
  const { aside } = await roomOf(dir);
  for (const name of names) {
    const at = aside.findIndex((one) => one.name === name);
    if (at < 0) continue;
    if (at === aside.length - 1 || aside[at]?.extracted !== true)
      throw new InvariantError("AP_BUG_INVARIANT", `aside/${name} is the only evidence`);
    const place = join(layout(dir).aside, name);
    await writing(place, () => rm(place, { recursive: true, force: true }));
  }
}

function whyOf(text: string | null): Partial<Why> | null {
  try {
    return text === null ? null : (JSON.parse(text) as Partial<Why>);
  } catch {
    return null; // cut off by a crash: as if it said nothing
  }
}

async function sizesOf(path: string): Promise<{ bytes: number; dataBytes: number }> {
  const found = await stat(path);
  if (!found.isDirectory()) return { bytes: found.size, dataBytes: found.size };
  const sum = { bytes: 0, dataBytes: 0 };
  for (const { name } of await readdir(path, { withFileTypes: true })) {
    const { bytes, dataBytes } = await sizesOf(join(path, name));
    sum.bytes += bytes;
    if (!/^(binlog|relaylog)\.\d+$/.test(name)) sum.dataBytes += dataBytes;
  }
  return sum;
}
