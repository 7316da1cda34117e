// A tool that no machine has, so that the tests do not depend on what this one has.
import type { FetchableSpec } from "../../src/local/toolchain/tool.ts";

export const fakeSpec: FetchableSpec = {
  name: "fakesql",
  version: "1.2",
  env: "AUTOPILOT_FAKESQLD",
  binary: "fakesqld",
  versionArgs: ["--version"],
  accept: (output) => {
    const version = /^fakesqld Ver (\S+)/m.exec(output)?.[1];
    if (version === undefined) return { ok: false, why: "it is not fakesqld" };
    return version.startsWith("1.")
      ? { ok: true, version }
      : { ok: false, why: `too old: ${version}` };
  },
  apt: {
    suite: "sid",
    packages: ["fakesql-server", "fakesql-client"],
    main: "usr/sbin/fakesqld",
  },
  install: "apt install fakesql, or set AUTOPILOT_FAKESQLD",
};
