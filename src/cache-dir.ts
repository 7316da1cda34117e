// The user's cache directory of autopilot: what can be made again. Nothing here decides anything.
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/** `$XDG_CACHE_HOME/autopilot`, or the same below ~/.cache. */
export function cacheDir(env: NodeJS.ProcessEnv): string {
  const xdg = env["XDG_CACHE_HOME"];
  // The XDG specification: relative values are to be ignored.
  const caches =
    xdg !== undefined && isAbsolute(xdg) ? xdg : join(env["HOME"] || homedir(), ".cache");
  return join(caches, "autopilot");
}
