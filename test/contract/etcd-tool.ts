// The etcd server that the contract and the cluster test are run against: a tool of the toolchain, for tests alone.
import type { ToolSpec } from "../../src/local/toolchain.ts";

/** Any 3.4 or newer is taken; 3.5 is what most clusters of today run. */
export const etcdSpec: ToolSpec = {
  name: "etcd",
  version: "3.5",
  env: "AUTOPILOT_ETCD",
  binary: "etcd",
  versionArgs: ["--version"],
  accept(output) {
    const [, version = "", major = "", minor = ""] =
      /^etcd Version: ((\d+)\.(\d+)\.\S+)/m.exec(output) ?? [];
    if (version === "") return { ok: false, why: "it does not say that it is etcd" };
    if (Number(major) * 1000 + Number(minor) >= 3004) return { ok: true, version };
    return { ok: false, why: `etcd ${version} is older than 3.4` };
  },
  // alone: one Go program that needs the C library only; what it depends on is for its service.
  apt: { suite: "trixie", packages: ["etcd-server"], main: "usr/bin/etcd", alone: true },
  install: "apt install etcd-server, or set AUTOPILOT_ETCD",
};
