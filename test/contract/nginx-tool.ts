// nginx, the server that the recipe of that name runs: as a tool of the toolchain, for tests alone.
import type { ToolSpec } from "../../src/local/toolchain.ts";

export const nginxSpec: ToolSpec = {
  name: "nginx",
  version: "trixie",
  env: "AUTOPILOT_NGINX",
  binary: "nginx",
  versionArgs: ["-v"],
  accept(output) {
    const version = /nginx version: nginx\/(\d+\.\d+\.\d+)/.exec(output)?.[1];
    return version === undefined
      ? { ok: false, why: "it does not print a version of nginx" }
      : { ok: true, version };
  },
  apt: { suite: "trixie", packages: ["nginx"], main: "usr/sbin/nginx" },
  install: "apt install nginx, or set AUTOPILOT_NGINX",
};
