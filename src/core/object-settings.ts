// What a bucket may be asked to do with each new object, as it is written in an address: tags, and a lock.
import { parseDuration } from "./duration.ts";

export type ObjectTag = { readonly name: string; readonly value: string };

export type ObjectLock = {
  /** GOVERNANCE: who has a special right may delete it all the same. COMPLIANCE: nobody may. */
  readonly mode: "GOVERNANCE" | "COMPLIANCE";
  readonly ms: number;
};

/** S3's limits. */
const TAGS_MAX = 10;
const NAME = /^[\w .:/=+@-]{1,128}$/;
const VALUE = /^[\w .:/=+@-]{0,256}$/;
const DAY_MS = 86_400_000;

/** "team:db,stage:live"; or why it is not that. */
export function tagsIn(text: string): readonly ObjectTag[] | string {
  if (text === "") return [];
  const tags = text.split(",").map((part) => {
    const at = part.indexOf(":");
    return { name: part.slice(0, at < 0 ? 0 : at), value: part.slice(at + 1) };
  });
  if (tags.some(({ name, value }) => !NAME.test(name) || !VALUE.test(value)))
    return "tags are written name:value, with commas between them";
  if (tags.length > TAGS_MAX) return `an object has ${TAGS_MAX} tags at most`;
  const names = new Set(tags.map(({ name }) => name));
  return names.size === tags.length ? tags : "a name is given twice";
}

/** "compliance:30d"; or why it is not that. */
export function lockIn(text: string): ObjectLock | string {
  const [, mode = "", duration = ""] = /^(governance|compliance):(.+)$/.exec(text) ?? [];
  const ms = parseDuration(duration);
  if (mode === "" || ms === null) return "a lock is written governance:30d or compliance:30d";
  // The store counts in whole days, and an hour would be none.
  if (ms < DAY_MS) return "a lock lasts for a day at least";
  return { mode: mode === "governance" ? "GOVERNANCE" : "COMPLIANCE", ms: Math.round(ms) };
}
