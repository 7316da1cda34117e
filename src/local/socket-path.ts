// Where the sockets of a local cluster are: in its directory, or, where that path is too long for a socket, below the
// machine's directory for temporary files. Every process finds the same answer from the directory alone.
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join, resolve } from "node:path";

// sun_path of unix(7) holds 107 bytes and a zero.
const LONGEST = 107;

/** The control socket of a node whose directory is `dir`. */
export function controlSocketOf(dir: string): string {
  return socketIn(dir, "control.sock");
}

/** The socket on which `autopilot up` of this directory takes orders. */
export function upSocketOf(dir: string): string {
  return socketIn(dir, "up.sock");
}

function socketIn(dir: string, name: string): string {
  const path = join(resolve(dir), name);
  if (Buffer.byteLength(path) <= LONGEST) return path;
  const home = join(tmpdir(), `autopilot-${userInfo().uid}`);
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const hash = createHash("sha256").update(path).digest("hex").slice(0, 16);
  return join(home, `${hash}.sock`);
}
