// The cluster's passwords: five files, equal on all nodes (a clone copies mysql.user).
// Their values go into SQL text that is sent over a connection or stands in a 0600 file, and nowhere else:
// not into argv, the environment, logs or errors.
import { randomBytes } from "node:crypto";
import { link, mkdir, open, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError, messageOf } from "../../../src/index.ts";

const NAMES = ["admin", "replication", "clone", "peer", "app"] as const;
export type SecretName = (typeof NAMES)[number];

export type Secrets = Readonly<Record<SecretName, string>>;
/** Path of each secret's file. */
export type SecretFiles = Readonly<Record<SecretName, string>>;

// CHANGE REPLICATION SOURCE and CLONE take no longer passwords; 24 random bytes are 32 characters of base64url.
const LONGEST = 32;
const RANDOM_BYTES = 24;

/** Makes each missing secret once; makers at the same time agree on one. Returns the files' paths. */
export async function ensureSecrets(dir: string): Promise<SecretFiles> {
  const files = secretFiles(dir);
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    for (const name of NAMES) await ensure(files[name]);
  } catch (cause) {
    const why = `make secrets in ${dir}: ${messageOf(cause)}`;
    throw new ConfigError("AP_SECRET_UNREADABLE", why, { cause });
  }
  return files;
}

export function secretFiles(dir: string): SecretFiles {
  const [admin, replication, clone, peer, app] = NAMES;
  return {
    admin: join(dir, admin),
    replication: join(dir, replication),
    clone: join(dir, clone),
    peer: join(dir, peer),
    app: join(dir, app),
  };
}

/** Errors: ConfigError AP_SECRET_UNREADABLE that lists every file that is missing, empty, too long, or open to others. */
export async function readSecrets(files: SecretFiles): Promise<Secrets> {
  const read = { admin: "", replication: "", clone: "", peer: "", app: "" };
  const problems: string[] = [];
  for (const name of NAMES) {
    const secret = await readSecret(files[name]);
    if (secret.ok) read[name] = secret.text;
    else problems.push(`${name}: ${files[name]}: ${secret.why}`);
  }
  if (problems.length === 0) return read;
  throw new ConfigError("AP_SECRET_UNREADABLE", problems.join("; "), { problems });
}

/** Removes every secret from a text of somebody else's, e.g. mysqld's own error message. */
export function withoutSecrets(text: string, secrets: Secrets): string {
  return NAMES.reduce((clean, name) => clean.replaceAll(secrets[name], "***"), text);
}

type ReadSecret =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly why: string };

async function readSecret(path: string): Promise<ReadSecret> {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o007) !== 0) {
      return { ok: false, why: `mode ${(mode & 0o777).toString(8)}: others may read it` };
    }
    const text = (await readFile(path, "utf8")).replace(/\r?\n$/, "");
    if (text === "") return { ok: false, why: "empty" };
    if (text.length > LONGEST) {
      return { ok: false, why: `longer than ${LONGEST} characters, MySQL's limit in replication` };
    }
    // oxlint-disable-next-line no-control-regex
    if (/[\u0000-\u001f\u007f]/.test(text)) return { ok: false, why: "has control characters" };
    return { ok: true, text };
  } catch (cause) {
    return { ok: false, why: messageOf(cause) };
  }
}

/** A finished file gets its name by link(), which fails where the name is taken: the first maker wins. */
async function ensure(path: string): Promise<void> {
  if (await exists(path)) return;
  const half = `${path}.${process.pid}.${randomBytes(4).toString("hex")}`;
  try {
    const file = await open(half, "wx", 0o600);
    try {
      await file.writeFile(randomBytes(RANDOM_BYTES).toString("base64url"));
      await file.sync();
    } finally {
      await file.close();
    }
    await link(half, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(half, { force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
