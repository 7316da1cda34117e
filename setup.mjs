// Before `npm start` and `npm test`: installs dependencies when they are missing or the lock file changed, and only then.
// Plain JavaScript without dependencies, because it runs on whatever Node the machine has, before Node 24 is installed.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";

const lock = createHash("sha256").update(readFileSync("package-lock.json")).digest("hex");
const stamp = "node_modules/.installed-lock";

if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== lock) {
  console.error("autopilot: installing dependencies (once, and when package-lock.json changes)");
  // Not `npm ci`: it refuses a lock file that lacks the optional binding of any platform, also of one that no registry
  // at hand carries. With --no-save the locked versions are installed and the lock file stays as it is.
  const args = [
    "install",
    "--no-save",
    "--include=dev",
    "--ignore-scripts=false",
    "--no-fund",
    "--no-audit",
    "--loglevel=error",
  ];
  const npm = spawnSync("npm", args, { stdio: ["ignore", 2, 2] });
  if (npm.status !== 0) process.exit(npm.status ?? 1);
  const node = spawnSync("node_modules/.bin/node", ["--version"], { encoding: "utf8" });
  if (node.status !== 0) {
    console.error(
      "autopilot: Node 24 could not be installed from the npm registry for this machine",
    );
    process.exit(1);
  }
  mkdirSync("node_modules", { recursive: true });
  writeFileSync(stamp, lock);
}
