// The user and group that a job runs as: names or numbers → numbers, from the machine's own files. What a program finds
// its home by follows the user.
import { readFileSync } from "node:fs";
import { ConfigError, messageOf } from "../errors.ts";
import type { User } from "../runtime/setpriv.ts";

export type Account = {
  readonly user: User;
  /** Of one that the machine knows: its name and its home. */
  readonly env: Readonly<Record<string, string>>;
};

type Files = { readonly passwd: string; readonly group: string };
const FILES: Files = { passwd: "/etc/passwd", group: "/etc/group" };

/** Null: as we are. Errors: ConfigError AP_CONFIG_INVALID for names that do not exist. */
export function accountOf(
  wanted: { readonly name: string; readonly user: string | null; readonly group: string | null },
  files: Files = FILES,
): Account | null {
  const { name, user, group } = wanted;
  if (user === null && group === null) return null;
  const found = user === null ? null : entryOf(files.passwd, user);
  const uid = found === null ? numberOf(user ?? String(process.getuid?.() ?? 0)) : Number(found[2]);
  if (uid === null) throw missing(name, "user", user ?? "", files.passwd);
  const groupEntry = group === null ? null : entryOf(files.group, group);
  const own = found === null ? uid : Number(found[3]);
  const gid = group === null ? own : groupEntry === null ? numberOf(group) : Number(groupEntry[2]);
  if (gid === null) throw missing(name, "group", group ?? "", files.group);
  const env: Record<string, string> =
    found === null ? {} : { USER: found[0] ?? "", LOGNAME: found[0] ?? "", HOME: found[5] ?? "/" };
  return { user: { uid, gid, ...(found === null ? { isUnknown: true } : {}) }, env };
}

/** By name or by number. */
function entryOf(file: string, wanted: string): readonly string[] | null {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const why = `${file}: ${messageOf(error)}`;
    throw new ConfigError("AP_CONFIG_UNREADABLE", why, { cause: error });
  }
  const entries = text.split("\n").map((line) => line.split(":"));
  return entries.find(([name, , id]) => name === wanted || id === wanted) ?? null;
}

function numberOf(text: string): number | null {
  return /^\d{1,10}$/.test(text) ? Number(text) : null;
}

function missing(job: string, what: string, name: string, file: string): ConfigError {
  const why = `job ${job}: there is no ${what} ${JSON.stringify(name)} in ${file}`;
  return new ConfigError("AP_CONFIG_INVALID", why, { hint: "create it, or give its number" });
}
