// A node's directory in a lab: an ordinary one, or a small file system of its own in memory, which can be filled.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { UnavailableError, messageOf } from "../errors.ts";

/** `up` makes it otherwise; null: no file system of its own. Errors: UnavailableError AP_SPAWN_FAILED. */
export function makeNodeDir(dir: string, sizeMiB: number | null): void {
  mkdirSync(dir, { recursive: true, mode: 0o750 });
  if (sizeMiB === null) return;
  try {
    const options = `size=${sizeMiB}m,mode=0750`;
    execFileSync("mount", ["-t", "tmpfs", "-o", options, "autopilot-drill", dir], {
      stdio: "pipe",
    });
  } catch (error) {
    const why = `mount a file system of ${sizeMiB} MiB: ${messageOf(error)}`;
    throw new UnavailableError("AP_SPAWN_FAILED", why, { cause: error });
  }
}

/** Takes the file system away; what is to be kept of it goes to the disk below. */
export function unmountNodeDir(dir: string, keep: boolean): void {
  const aside = `${dir}.kept`;
  if (keep) cpSync(dir, aside, { recursive: true, filter: isNoSocket });
  execFileSync("umount", ["-l", dir], { stdio: "pipe" });
  if (!keep) return;
  rmSync(dir, { recursive: true });
  renameSync(aside, dir);
}

/** A socket cannot be copied, and means nothing without its process. */
function isNoSocket(path: string): boolean {
  return !/\.sock(\.lock)?$/.test(path);
}
