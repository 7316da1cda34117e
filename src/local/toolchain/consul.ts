// The Consul binary that local clusters and tests run.
import type { ToolSpec } from "./tool.ts";

/**
 * Debian's last Consul, 1.8.7 in bullseye (later versions are not free software). Any from 1.8 on is taken: sessions
 * bound to a service's check (`ServiceChecks`), which the lease needs, came with 1.7.
 */
export const consulSpec: ToolSpec = {
  name: "consul",
  version: "1.8.7",
  env: "AUTOPILOT_CONSUL",
  binary: "consul",
  versionArgs: ["version"],
  accept: (output) => {
    const [, version = "", major = "", minor = ""] =
      /^Consul v((\d+)\.(\d+)\.\S+)/m.exec(output) ?? [];
    if (version === "") return { ok: false, why: "it does not say that it is Consul" };
    if (Number(major) * 1000 + Number(minor) >= 1008) return { ok: true, version };
    return { ok: false, why: `Consul ${version} is older than 1.8` };
  },
  // alone: one Go program that needs the C library only (any since glibc 2.31, Debian 11); pipexec is for its service.
  apt: { suite: "bullseye", packages: ["consul"], main: "usr/bin/consul", alone: true },
  install: "install Consul 1.8 or newer so that `consul` is on PATH, or set AUTOPILOT_CONSUL",
};
