// ContainerPilot v2 and Containerbuddy files → v3: what each part becomes, and what is lost.
import { describe, expect, test } from "vitest";
import { load, refusal } from "./runner.ts";

const OLD = `{
  "consul": "consul:8500",
  "logging": { "level": "DEBUG", "format": "json" },
  "preStart": "/bin/prestart --all",
  "preStop": ["/bin/prestop"],
  "postStop": "/bin/poststop",
  "stopTimeout": 9,
  "services": [
    { "name": "web", "port": 8000, "health": "/usr/bin/curl --fail http://localhost:8000/health", "poll": 10, "ttl": 30,
      "timeout": "5s", "tags": ["public"], "interfaces": "eth0", "consul": { "deregisterCriticalServiceAfter": "10m" } },
    { "name": "admin", "port": 8001, "poll": 5, "ttl": 20 }
  ],
  "backends": [ { "name": "db", "poll": 7, "onChange": "/bin/reload db", "tag": "primary", "timeout": "20s" } ],
  "tasks": [ { "name": "backup", "command": ["/bin/backup"], "frequency": "1500ms", "timeout": "10s" }, { "command": "tick", "frequency": "1h" } ],
  "coprocesses": [ { "name": "agent", "command": "agent -f", "restarts": "unlimited" } ],
  "telemetry": { "port": 9090, "interfaces": ["inet"],
    "sensors": [ { "namespace": "org", "subsystem": "app", "name": "free", "help": "free memory", "type": "gauge", "poll": 5, "check": ["/bin/free"], "timeout": "3s" } ] }
}`;

const command = ["node", "server.js", "{{ .PORT }}"];
const loaded = () => load(OLD, { command, env: { PORT: "8000" } });

describe("a v2 configuration", () => {
  test("is recognised, and translated without a loss", () => {
    const { dialect, warnings, config } = loaded();
    expect([dialect, warnings]).toEqual(["v2", []]);
    expect(config.jobs.map(({ name }) => name)).toEqual([
      "preStart",
      "app",
      "agent",
      "web",
      "admin",
      "onChange-db",
      "backup",
      "task-2",
      "sensor-org_app_free",
      "preStop",
      "postStop",
    ]);
    expect(config).toMatchObject({
      dialect: "v2",
      log: { level: "DEBUG", format: "json" },
      stopTimeoutMs: 9_000,
      // There was no socket; verbs came by signal; a failing postStop had the last word.
      control: null,
      signals: { SIGHUP: "reload", SIGUSR1: "maintenance", SIGUSR2: "event" },
      exitCode: "last-failed",
      watches: [{ id: "db", service: "db", tag: "primary", intervalMs: 7_000 }],
      telemetry: { port: 9_090, metrics: [{ fullName: "org_app_free", type: "gauge" }] },
    });
  });

  const job = (name: string) => loaded().config.jobs.find((one) => one.name === name);
  const afterPreStart = {
    trigger: { kind: "event", sources: ["preStart"], event: "exitSuccess", each: false },
  };

  test("preStart comes first, and its failure ends the container", () => {
    expect(job("preStart")).toMatchObject({
      exec: ["/bin/prestart", "--all"],
      when: { trigger: { sources: ["global"], event: "startup" } },
      restarts: 0,
      exit: { onFailure: "shutdown", onSuccess: "continue", counts: true },
    });
  });

  test("the main command's life is the container's; its arguments are templates and its output untouched", () => {
    expect(job("app")).toMatchObject({
      exec: ["node", "server.js", "8000"],
      when: afterPreStart,
      restarts: 0,
      log: { raw: true },
      exit: { onSuccess: "shutdown", onFailure: "shutdown", counts: true },
    });
  });

  test("stop hooks: before the command only when it was asked to stop, after it in any case", () => {
    expect(job("preStop")).toMatchObject({
      when: { trigger: { sources: ["app"], event: "stopping" }, ifRunning: true },
      exit: { counts: false },
    });
    expect(job("postStop")).toMatchObject({
      when: { trigger: { sources: ["app"], event: "stopped" }, ifRunning: false },
      exit: { counts: true },
    });
  });

  test("services register and check, beside the command", () => {
    expect(job("web")).toMatchObject({
      exec: null,
      when: afterPreStart,
      health: {
        check: { kind: "exec", argv: ["/usr/bin/curl", "--fail", "http://localhost:8000/health"] },
        intervalMs: 10_000,
        ttlMs: 30_000,
        timeoutMs: 5_000,
      },
      service: {
        port: 8_000,
        tags: ["public"],
        interfaces: [{ name: "eth0", family: 4 }],
        deregisterCriticalServiceAfter: "10m",
      },
    });
    // No time-out was none; beyond the TTL a check has failed anyway.
    expect(job("admin")).toMatchObject({
      health: { check: { kind: "heartbeat" }, timeoutMs: 20_000 },
    });
  });

  test("backends, tasks and sensors wait for preStart; tasks and sensors for one interval, too", () => {
    const after = [{ source: "preStart", event: "exitSuccess" }];
    expect(job("onChange-db")).toMatchObject({
      exec: ["/bin/reload", "db"],
      when: {
        trigger: { sources: ["watch.db"], event: "changed", each: true },
        after,
        overlap: "coalesce",
      },
      timeoutMs: 20_000,
      exit: { counts: false },
    });
    expect(job("backup")).toMatchObject({
      when: {
        trigger: { kind: "interval", everyMs: 1_500, firstAtOnce: false },
        after,
        overlap: "skip",
      },
      timeoutMs: 10_000,
      restarts: "unlimited",
    });
    expect(job("task-2")).toMatchObject({ timeoutMs: 3_600_000 });
    expect(job("sensor-org_app_free")).toMatchObject({
      when: { trigger: { everyMs: 5_000, firstAtOnce: false }, after },
      metric: "org_app_free",
      timeoutMs: 3_000,
    });
  });

  test("coprocesses go on until the command has ended, and mean nothing for its end", () => {
    expect(job("agent")).toMatchObject({
      exec: ["agent", "-f"],
      when: afterPreStart,
      restarts: "unlimited",
      stopAfter: ["app"],
      exit: { onFailure: "continue", counts: false },
    });
  });

  test("its translation is a v3 configuration that means the same", () => {
    const { v3, config } = loaded();
    const again = load(JSON.stringify(v3));
    expect(again.config).toEqual({ ...config, dialect: "v3" });
    expect([again.dialect, again.warnings]).toEqual(["v3", []]);
  });

  test("what has no counterpart, or another name, is a warning", () => {
    const service = (name: string) => `{ "name": "${name}", "port": 80, "poll": 1, "ttl": 5 }`;
    const taken = load(`{ "consul": "c:1", "services": [${service("app")}] }`, { command: ["x"] });
    expect(taken.config.jobs.map(({ name }) => name)).toEqual(["main", "app"]);
    expect(taken.warnings).toEqual([expect.stringContaining("CONTAINERPILOT_MAIN_PID")]);
    const named = load(`{ "consul": "c:1", "services": [${service("my_app")}] }`);
    expect(named.warnings).toEqual([expect.stringMatching(/^jobs\[0\]\.name: service names/)]);
    const alone = load(`{ "consul": "c:1", "preStop": "a", "postStop": "b", "services": [] }`);
    expect(alone.config.jobs).toMatchObject([
      { name: "preStop", when: { trigger: { sources: ["global"], event: "shutdown" } } },
    ]);
    expect(alone.warnings).toEqual([expect.stringMatching(/^postStop: there is no command/)]);
  });

  test("what is wrong is told by the paths of the old file, all at once", () => {
    const { problems } =
      refusal(`{ "consul": "c:1", "foo": 1, "stopTimeout": "5s", "services": [{ "name": "a", "prt": 1, "poll": 0, "ttl": 5 }],
      "backends": [{ "poll": 1 }], "tasks": [{ "command": "", "frequency": "x" }], "telemetry": { "sensors": [{ "name": "m" }] } }`);
    expect(problems.map((line) => line.split(": ")[0] ?? "").toSorted()).toEqual(
      [
        "backends[0].name",
        "backends[0].onChange",
        "foo",
        "services[0].poll",
        "services[0].port",
        "services[0].prt",
        "stopTimeout",
        "tasks[0].command",
        "tasks[0].frequency",
        "telemetry.sensors[0].check",
        "telemetry.sensors[0].help",
        "telemetry.sensors[0].poll",
        "telemetry.sensors[0].type",
      ].toSorted(),
    );
    expect(refusal(`{ "services": [] }`).problems).toEqual([
      expect.stringMatching(/^as v3, consul: no discovery backend/),
    ]);
    expect(
      refusal(`{ "consul": "c:1", "etcd": { "endpoints": "e:1" }, "tasks": [] }`).problems,
    ).toEqual([expect.stringMatching(/^as v3, etcd: more than one/)]);
  });

  test("does not mix with v3", () => {
    expect(refusal(`{ consul: "c:1", services: [], jobs: [] }`).problems).toEqual([
      "services: it belongs to version 2, but jobs to version 3: use one of them",
    ]);
  });

  test("a command alone makes a file without jobs a v2 one; beside jobs it means nothing", () => {
    expect(load(`{ "consul": "c:1" }`, { command: ["x"] }).dialect).toBe("v2");
    const today = load(`{ consul: "c:1", jobs: [] }`, { command: ["x"] });
    expect(today.dialect).toBe("v3");
    expect(today.warnings).toEqual(["a command after the options means nothing in a v3 file"]);
  });
});

describe("a Containerbuddy configuration", () => {
  test("has onStart for preStart, and its own prefix in etcd", () => {
    const { dialect, config } = load(
      `{ "etcd": { "endpoints": ["http://e1:4001", "http://e2:4001"] }, "onStart": "/bin/start" }`,
      { command: ["app"] },
    );
    expect(dialect).toBe("v1");
    expect(config.catalogue).toEqual({
      kind: "etcd",
      endpoints: ["http://e1:4001", "http://e2:4001"],
      prefix: "/containerbuddy",
    });
    const named = `{ "etcd": { "endpoints": "e:1", "prefix": "shop/" }, "onStart": "/bin/start" }`;
    expect(load(named, { command: ["app"] }).config.catalogue).toMatchObject({ prefix: "/shop" });
    expect(config.jobs.map(({ name }) => name)).toEqual(["preStart", "app"]);
    expect(refusal(`{ "consul": "c:1", "onStart": "a", "preStart": "b" }`).problems).toEqual([
      expect.stringMatching(/^onStart: /),
    ]);
  });

  test("is one when it came in CONTAINERBUDDY, whatever it says", () => {
    expect(load(`{ "consul": "c:1" }`, { isContainerbuddy: true }).dialect).toBe("v1");
  });
});
