// Access keys from a file of mode 0600, in the format of AWS's shared credentials file: an agent's own, beside the
// environment and the shared files that the SDK reads by itself. Read at each use, so that rotated keys take effect.
import { readFile, stat } from "node:fs/promises";
import { ConfigError, messageOf } from "../errors.ts";

export type Keys = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** When the file is to be read again. */
  readonly expiration: Date;
};

/** Rotated keys are noticed within this. */
const REREAD_MS = 60_000;
const OTHERS = 0o077;

/** Errors: ConfigError AP_SECRET_UNREADABLE or AP_OBJECTS_CREDENTIALS, which name the file and never what it says. */
export async function readKeys(path: string, section: string): Promise<Keys> {
  const fields = sectionOf(await readSecret(path), section);
  const accessKeyId = fields.get("aws_access_key_id");
  const secretAccessKey = fields.get("aws_secret_access_key");
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    const why = `${path}: no aws_access_key_id and aws_secret_access_key in section [${section}]`;
    throw new ConfigError("AP_OBJECTS_CREDENTIALS", why);
  }
  const sessionToken = fields.get("aws_session_token");
  const keys = { accessKeyId, secretAccessKey, expiration: new Date(Date.now() + REREAD_MS) };
  return sessionToken === undefined ? keys : { ...keys, sessionToken };
}

async function readSecret(path: string): Promise<string> {
  try {
    const { mode } = await stat(path);
    if ((mode & OTHERS) !== 0) throw new Error("others may read it; its mode must be 0600");
    return await readFile(path, "utf8");
  } catch (error) {
    throw new ConfigError("AP_SECRET_UNREADABLE", `${path}: ${messageOf(error)}`);
  }
}

/** `name = value` lines below `[section]`; lines before any section belong to "default". */
function sectionOf(text: string, wanted: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  let section = "default";
  for (const line of text.split("\n")) {
    const header = /^\s*\[\s*([^\]]+?)\s*\]/.exec(line)?.[1];
    if (header !== undefined) section = header;
    const [, name, value] = /^\s*(aws_\w+)\s*=\s*(\S+)\s*$/.exec(line) ?? [];
    if (section === wanted && name !== undefined && value !== undefined) fields.set(name, value);
  }
  return fields;
}
