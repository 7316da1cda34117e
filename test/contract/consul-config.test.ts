// How Consul's own environment variables are understood, and that all mistakes are told at once and without secrets.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { consulFromEnv, onlyAddress, printAddress } from "../../src/consul/client.ts";

const addressesOf = (CONSUL_HTTP_ADDR: string, more: Record<string, string> = {}) =>
  consulFromEnv({ CONSUL_HTTP_ADDR, ...more }).addresses.map(printAddress);

async function fileWith(text: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "autopilot-config-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  await writeFile(join(dir, "file"), text);
  return join(dir, "file");
}

describe("the environment of Consul", () => {
  test("without any variable it is the agent on this host", () => {
    expect(consulFromEnv({})).toEqual({
      addresses: [{ secure: false, host: "127.0.0.1", port: 8500, socketPath: null }],
      token: null,
      tokenFile: null,
      ca: null,
      cert: null,
      key: null,
      serverName: null,
      verify: true,
    });
  });

  test("addresses come in all of Consul's forms", () => {
    expect(addressesOf("consul")).toEqual(["http://consul:8500"]);
    expect(addressesOf("10.0.0.1:80")).toEqual(["http://10.0.0.1:80"]);
    expect(addressesOf("http://consul:8501/")).toEqual(["http://consul:8501"]);
    expect(addressesOf("https://consul")).toEqual(["https://consul:8500"]);
    expect(addressesOf("https://consul:443")).toEqual(["https://consul:443"]);
    expect(addressesOf("[::1]:8500")).toEqual(["http://[::1]:8500"]);
    expect(addressesOf("unix:///run/consul.sock")).toEqual(["unix:///run/consul.sock"]);
    expect(addressesOf("a, b:1 ,https://c:2")).toEqual([
      "http://a:8500",
      "http://b:1",
      "https://c:2",
    ]);
    expect(addressesOf("consul:8501", { CONSUL_HTTP_SSL: "true" })).toEqual([
      "https://consul:8501",
    ]);
  });

  test("one of several addresses can be singled out", () => {
    const config = consulFromEnv({ CONSUL_HTTP_ADDR: "a,b" });
    expect(onlyAddress(config, 1).addresses.map(printAddress)).toEqual(["http://b:8500"]);
    expect(onlyAddress(config, 2).addresses.map(printAddress)).toEqual(["http://a:8500"]);
  });

  test("a token's file counts more than the token, and its line's end does not count", async () => {
    const CONSUL_HTTP_TOKEN_FILE = await fileWith("from-file\n");
    const env = { CONSUL_HTTP_TOKEN: "from-variable", CONSUL_HTTP_TOKEN_FILE };
    expect(consulFromEnv(env).token).toBe("from-file");
    expect(consulFromEnv({ CONSUL_HTTP_TOKEN: "from-variable" }).token).toBe("from-variable");
  });

  test("certificates are read, the server's name and its verification are taken over", async () => {
    const config = consulFromEnv({
      CONSUL_CACERT: await fileWith("ca"),
      CONSUL_CLIENT_CERT: await fileWith("cert"),
      CONSUL_CLIENT_KEY: await fileWith("key"),
      CONSUL_TLS_SERVER_NAME: "server.dc1.consul",
      CONSUL_HTTP_SSL_VERIFY: "false",
    });
    expect(config).toMatchObject({ ca: "ca", cert: "cert", key: "key", verify: false });
    expect(config.serverName).toBe("server.dc1.consul");
  });

  test("all mistakes are told at once, and no secret with them", () => {
    const env = {
      CONSUL_HTTP_ADDR: "ftp://user:hunter2@consul,http://consul/path,",
      CONSUL_HTTP_SSL: "perhaps",
      CONSUL_HTTP_TOKEN: "two\r\nlines",
      CONSUL_HTTP_TOKEN_FILE: "/does/not/exist",
    };
    let failure: unknown;
    try {
      consulFromEnv(env);
    } catch (error) {
      failure = error;
    }
    expect(failure).toMatchObject({ code: "AP_CONFIG_INVALID" });
    const { problems, message } = failure as { problems: string[]; message: string };
    expect(problems.map((problem) => problem.split(":")[0])).toEqual([
      "CONSUL_HTTP_SSL",
      "CONSUL_HTTP_ADDR",
      "CONSUL_HTTP_ADDR",
      "CONSUL_HTTP_ADDR",
      "CONSUL_HTTP_TOKEN_FILE",
      "CONSUL_HTTP_TOKEN",
    ]);
    expect(message).not.toMatch(/hunter2|lines/);
  });
});
