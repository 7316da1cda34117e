// Ceph's RGW, the real object store that the contract is run against: as a tool of the toolchain, for tests alone. About a
// gigabyte unpacked, so it is only fetched when somebody asks for it.
import type { ToolSpec } from "../../src/local/toolchain.ts";

export const cephSpec: ToolSpec = {
  name: "ceph",
  version: "trixie",
  env: "AUTOPILOT_RADOSGW",
  binary: "radosgw",
  versionArgs: ["--version"],
  accept(output) {
    const version = /ceph version (\d+\.\d+\.\d+)/.exec(output)?.[1];
    return version === undefined
      ? { ok: false, why: "it does not print a version of Ceph" }
      : { ok: true, version };
  },
  apt: {
    suite: "trixie",
    packages: ["ceph-mon", "ceph-mgr", "ceph-osd", "radosgw", "ceph-common"],
    main: "usr/bin/radosgw",
    libraries: ["ceph"],
  },
  install: "apt install radosgw ceph-mon ceph-mgr ceph-osd ceph-common, or set AUTOPILOT_RADOSGW",
};
