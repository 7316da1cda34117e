// Where etcd is: the configuration's section and etcdctl's variables.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { etcdFrom } from "../../src/etcd/config.ts";
import { etcdEndpoints, isEtcdUrl, storeAt } from "../../src/store.ts";

function file(text: string): string {
  const dir = mkdtempSync(join(tmpdir(), "autopilot-etcd-config-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const path = join(dir, "file");
  writeFileSync(path, text);
  return path;
}

describe("etcd's configuration", () => {
  test("without anything is a member on this host", () => {
    expect(etcdFrom({}, {})).toEqual({
      endpoints: ["http://127.0.0.1:2379"],
      prefix: "/autopilot",
      ca: null,
      cert: null,
      key: null,
      user: null,
    });
  });

  test("comes from etcdctl's variables", () => {
    const env = {
      ETCDCTL_ENDPOINTS: "https://a:2379, https://[::1]:80,https://b",
      ETCDCTL_CACERT: file("ca"),
      ETCDCTL_CERT: file("cert"),
      ETCDCTL_KEY: file("key"),
      ETCDCTL_USER: "root:pass:word",
    };
    expect(etcdFrom({}, env)).toMatchObject({
      endpoints: ["https://a:2379", "https://[::1]:80", "https://b:2379"],
      ca: "ca",
      cert: "cert",
      key: "key",
      user: { name: "root", password: "pass:word" },
    });
    const apart = { ETCDCTL_USER: "root", ETCDCTL_PASSWORD: "x" };
    expect(etcdFrom({}, apart).user).toEqual({ name: "root", password: "x" });
  });

  test("the section wins, and takes its password from a file", () => {
    const section = { endpoints: ["10.0.0.1:2379"], user: "app", passwordFile: file("secret\n") };
    const env = { ETCDCTL_ENDPOINTS: "other:2379", ETCDCTL_USER: "else:where" };
    expect(etcdFrom(section, env)).toMatchObject({
      endpoints: ["http://10.0.0.1:2379"],
      user: { name: "app", password: "secret" },
    });
  });

  test("all problems are told at once, and no password", () => {
    const section = {
      endpoints: ["http://user:hunter2@a:1", "ftp://b", "https://c", "http://d"],
      prefix: "no-slash",
      certFile: "/nowhere/cert",
      user: "x:hunter2",
    };
    const failure = caught(() => etcdFrom(section, { ETCDCTL_INSECURE_SKIP_TLS_VERIFY: "true" }));
    expect(failure).toMatchObject({ code: "AP_CONFIG_INVALID" });
    const problems = (failure as { problems: readonly string[] }).problems.join("\n");
    for (const part of [
      /etcd\.endpoints: .*a:1" is no endpoint/,
      /ftp:\/\/b" is no endpoint/,
      /either all endpoints are https/,
      /etcd\.prefix/,
      /etcd\.certFile: ENOENT/,
      /etcd\.user: only the name/,
      /SKIP_TLS_VERIFY: not supported/,
    ])
      expect(problems).toMatch(part);
    expect(`${String(failure)}${problems}`).not.toContain("hunter2");
  });

  test("an address with etcd's scheme leads to etcd, any other to Consul", () => {
    expect(isEtcdUrl("etcd://a:1")).toBe(true);
    expect(isEtcdUrl("http://a:1")).toBe(false);
    expect(etcdEndpoints("etcds://a:1,b:2")).toEqual(["https://a:1", "https://b:2"]);
    expect(storeAt("etcd://a:1", {})).toMatchObject({ kind: "etcd" });
    expect(storeAt("a:8500", {})).toMatchObject({ kind: "consul" });
  });
});

function caught(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}
