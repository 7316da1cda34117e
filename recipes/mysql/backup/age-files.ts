// The two files of age's own tools: recipients, which everybody may know, and identities, which are secrets. One a line;
// lines that begin with # say something to people.
import { readFile, stat } from "node:fs/promises";
import { ConfigError, messageOf } from "../../../src/index.ts";

const OTHERS = 0o077;
/** No list of people is longer. */
const BYTES_MAX = 64 * 1024;

/** Errors: ConfigError AP_BACKUP_RECIPIENTS with all problems at once. */
export async function readRecipients(path: string): Promise<readonly string[]> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw new ConfigError("AP_BACKUP_RECIPIENTS", messageOf(error));
  });
  const { Encrypter } = await import("age-encryption");
  const lines = linesOf(text);
  const problems = lines.flatMap(({ line, number }) => {
    // Not repeated: somebody may have written the secret one here.
    if (/^AGE-SECRET-KEY/i.test(line)) return [`line ${number} is an identity: keep it secret`];
    try {
      new Encrypter().addRecipient(line);
      return [];
    } catch (error) {
      return [`line ${number} is no recipient (age1…): ${messageOf(error)}`];
    }
  });
  if (lines.length === 0) problems.push("it names nobody: nobody could ever decrypt");
  if (problems.length === 0) return lines.map(({ line }) => line);
  const why = problems.length === 1 ? problems[0] : `it has ${problems.length} problems`;
  throw new ConfigError("AP_BACKUP_RECIPIENTS", `${path}: ${why}`, { problems });
}

/** Errors: ConfigError AP_SECRET_UNREADABLE or AP_BACKUP_IDENTITY, which never repeat what the file says. */
export async function readIdentities(path: string): Promise<readonly string[]> {
  const lines = linesOf(await readSecret(path));
  const { Decrypter } = await import("age-encryption");
  for (const { line, number } of lines)
    try {
      new Decrypter().addIdentity(line);
    } catch {
      const why = `${path}: line ${number} is no identity (AGE-SECRET-KEY-1…)`;
      throw new ConfigError("AP_BACKUP_IDENTITY", why);
    }
  if (lines.length === 0) throw new ConfigError("AP_BACKUP_IDENTITY", `${path}: no identity in it`);
  return lines.map(({ line }) => line);
}

async function readSecret(path: string): Promise<string> {
  try {
    const { mode, size } = await stat(path);
    if ((mode & OTHERS) !== 0) throw new Error("others may read it; its mode must be 0600");
    if (size > BYTES_MAX) throw new Error("it is too long for a file of identities");
    return await readFile(path, "utf8");
  } catch (error) {
    throw new ConfigError("AP_SECRET_UNREADABLE", `${path}: ${messageOf(error)}`);
  }
}

function linesOf(text: string): readonly { readonly line: string; readonly number: number }[] {
  return text
    .split("\n")
    .map((line, i) => ({ line: line.trim(), number: i + 1 }))
    .filter(({ line }) => line !== "" && !line.startsWith("#"));
}
