// The keys that ContainerPilot does not have.
import { describe, expect, test } from "vitest";
import { job, load } from "./runner.ts";

describe("our own keys", () => {
  test("of a job", () => {
    const text = `{ name: "x", exec: "x", user: "www-data", group: 33, cwd: "/srv", env: { A: 1 }, stopSignal: "quit", drain: "2s",
      stopAfter: ["web"], backoff: { first: "1s", most: "30s" }, logging: { fields: { part: "x" } },
      exit: { successCodes: [0, 143], onSuccess: "shutdown", onFailure: "shutdown", code: "ignored" },
      when: { source: ["web", "plain"], once: "stopped", after: [{ source: "web", event: "healthy" }], overlap: "skip", ifRunning: true },
      health: { tcp: 8080, interval: 1, ttl: 3, passes: 2, failures: 3 } }`;
    expect(job(text)).toMatchObject({
      user: "www-data",
      group: "33",
      cwd: "/srv",
      env: { A: "1" },
      stopSignal: "SIGQUIT",
      drainMs: 2_000,
      stopAfter: ["web"],
      backoff: { firstMs: 1_000, mostMs: 30_000 },
      log: { fields: { part: "x" } },
      exit: { successCodes: [0, 143], onSuccess: "shutdown", onFailure: "shutdown", counts: false },
      when: {
        trigger: { sources: ["web", "plain"], event: "stopped" },
        after: [{ source: "web", event: "healthy" }],
        overlap: "skip",
        ifRunning: true,
      },
      health: { check: { kind: "tcp", host: "127.0.0.1", port: 8080 }, passes: 2, failures: 3 },
    });
    expect(
      job(`{ name: "x", exec: "x", health: { http: "http://localhost/ok", interval: 1, ttl: 3 } }`)
        .health?.check,
    ).toEqual({ kind: "http", url: "http://localhost/ok", method: "GET" });
    expect(
      job(`{ name: "x", exec: "x", health: { tcp: "db:3306", interval: 1, ttl: 3 } }`).health
        ?.check,
    ).toEqual({ kind: "tcp", host: "db", port: 3306 });
  });

  test("of everything: no catalogue, etcd, keys to watch, meanings of signals, whose exit code", () => {
    expect(
      load(`{ discovery: "none", jobs: [{ name: "x", exec: "x" }] }`).config.catalogue,
    ).toEqual({ kind: "none" });
    expect(load(`{ etcd: { endpoints: "http://e:2379" } }`).config.catalogue).toEqual({
      kind: "etcd",
      endpoints: ["http://e:2379"],
      prefix: "/containerpilot",
    });
    const { config } = load(`{ consul: "x:1", exitCode: "zero", signals: { SIGHUP: "reload" },
      watches: [{ name: "settings", key: "app/settings", recurse: true }, { name: "db", interval: 1 }, { name: "db", interval: 1, dc: "west", as: "db-west" }] }`);
    expect(config).toMatchObject({
      exitCode: "zero",
      signals: { SIGHUP: "reload", SIGUSR2: "event" },
    });
    expect(config.watches).toMatchObject([
      { kind: "key", id: "settings", key: "app/settings", recurse: true },
      { id: "db", service: "db" },
      { id: "db-west", service: "db", datacenter: "west" },
    ]);
  });

  test("a recipe's keys may stand beside the jobs", () => {
    const { config, recipeTree } = load(
      `{ recipe: "mysql", consul: "c:8500", node: { name: "n1" }, mysql: { port: 3306 }, jobs: [{ name: "x", exec: "x" }] }`,
    );
    expect(config.recipe).toBe("mysql");
    expect(recipeTree).toEqual({
      recipe: "mysql",
      node: { name: "n1" },
      mysql: { port: 3306 },
      consul: { address: "c:8500" },
    });
  });
});
