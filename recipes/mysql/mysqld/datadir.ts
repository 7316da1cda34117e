// What stands in a node's directory (layout.ts). A datadir is ours only with node.json
// beside it that names its server_uuid; anything else in data/ is foreign and never touched.
// node.json is written before data/ gets its name: so data/ without node.json was never made by us.
import { readFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError, messageOf } from "../../../src/index.ts";
import type { DatadirFacts } from "../core/observation.ts";
import { removeDurable, writeDurable, writing } from "./durable.ts";
import { layout } from "./layout.ts";

/** Content of node.json. */
export type NodeFile = {
  readonly uuid: string;
  readonly serverId: number;
  /** Null: not known when the datadir was made. */
  readonly clusterId: string | null;
};

/** Reads only. Errors: ConfigError AP_DATADIR_UNWRITABLE when the directory cannot even be read. */
export async function readDatadir(dir: string): Promise<DatadirFacts> {
  const at = layout(dir);
  const names = await namesIn(dir);
  const nothing = { uuid: null, serverId: null, clusterId: null };
  const bootstrap = (await textOf(at.bootstrap))?.trim() || null;
  const data = names.includes("data") ? await namesIn(at.data) : [];
  if (data.length === 0) {
    const half = names.some((name) => isHalf(name));
    return { ...nothing, kind: half ? "half" : "absent", bootstrap };
  }
  const node = nodeFile(await textOf(at.node));
  const uuid = uuidOf(await textOf(join(at.data, "auto.cnf")));
  if (node === null || node.uuid !== uuid) return { ...nothing, kind: "foreign", bootstrap };
  return { ...node, kind: "ready", bootstrap };
}

/** Deletes what runs that did not finish have left. Never data/. */
export async function removeHalf(dir: string): Promise<void> {
  const halves = (await namesIn(dir)).filter((name) => isHalf(name));
  await writing(dir, async () => {
    for (const name of halves) await rm(join(dir, name), { recursive: true, force: true });
  });
}

/** Durable when it returns. */
export async function writeNode(dir: string, node: NodeFile): Promise<void> {
  const { uuid, serverId, clusterId } = node;
  await writeDurable(layout(dir).node, `${JSON.stringify({ uuid, serverId, clusterId })}\n`);
}

/** This node is about to found cluster `clusterId` (PROTOCOL §7 Bootstrap). Durable when it returns. */
export async function writeBootstrap(dir: string, clusterId: string): Promise<void> {
  await writeDurable(layout(dir).bootstrap, `${clusterId}\n`);
}

export async function removeBootstrap(dir: string): Promise<void> {
  await removeDurable(layout(dir).bootstrap);
}

/** auto.cnf gives a datadir its server_uuid: one that is copied from another server must never keep that one's. */
export async function writeAutoCnf(datadir: string, uuid: string): Promise<void> {
  await writeDurable(join(datadir, "auto.cnf"), `[auto]\nserver-uuid=${uuid}\n`);
}

function isHalf(name: string): boolean {
  return name.startsWith("data.half");
}

function uuidOf(autoCnf: string | null): string | null {
  return /^server[-_]uuid\s*=\s*(\S+)/im.exec(autoCnf ?? "")?.[1]?.toLowerCase() ?? null;
}

function nodeFile(text: string | null): NodeFile | null {
  if (text === null) return null;
  try {
    const { uuid, serverId, clusterId } = JSON.parse(text) as Partial<NodeFile>;
    if (typeof uuid !== "string" || typeof serverId !== "number") return null;
    return { uuid, serverId, clusterId: clusterId ?? null };
  } catch {
    return null; // not our JSON: then the datadir beside it is not known to be ours either
  }
}

/** Names in a directory; [] when it does not exist. */
export async function namesIn(dir: string): Promise<readonly string[]> {
  try {
    return await readdir(dir);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw unreadable(dir, cause);
  }
}

/** Null: there is no such file. */
export async function textOf(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): ConfigError {
  return new ConfigError("AP_DATADIR_UNWRITABLE", `read ${path}: ${messageOf(cause)}`, { cause });
}
