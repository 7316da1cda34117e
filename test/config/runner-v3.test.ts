// ContainerPilot v3 files → what the runner runs. The examples say what its documentation promises.
import { describe, expect, test } from "vitest";
import type { Job } from "../../src/core/runner-config.ts";
import { job, load, withJob } from "./runner.ts";

const PLAIN: Job = {
  name: "plain",
  exec: ["run"],
  when: {
    trigger: { kind: "event", sources: ["global"], event: "startup", each: false },
    after: [],
    timeoutMs: null,
    overlap: "coalesce",
    ifRunning: false,
  },
  restarts: 0,
  backoff: { firstMs: 100, mostMs: 10_000 },
  timeoutMs: null,
  stopTimeoutMs: null,
  stopSignal: "SIGTERM",
  stopAfter: [],
  drainMs: 0,
  user: null,
  group: null,
  cwd: null,
  env: {},
  log: { raw: false, fields: {} },
  exit: { successCodes: [0], onSuccess: "continue", onFailure: "continue", counts: true },
  metric: null,
  health: null,
  service: null,
};

const trigger = (when: string): unknown =>
  job(`{ name: "x", exec: "x", when: ${when} }`).when.trigger;

describe("a v3 configuration", () => {
  test("has a default for everything", () => {
    const { config, warnings, dialect } = load(
      `{ consul: "localhost:8500", jobs: [{ name: "plain", exec: "run" }] }`,
    );
    expect(config).toEqual({
      dialect: "v3",
      recipe: null,
      catalogue: {
        kind: "consul",
        address: "localhost:8500",
        scheme: "http",
        token: null,
        tls: {
          cafile: null,
          capath: null,
          clientcert: null,
          clientkey: null,
          servername: null,
          verify: true,
        },
      },
      log: { level: "INFO", format: "default", output: "stdout" },
      stopTimeoutMs: 5_000,
      exitCode: "first-failed",
      signals: { SIGHUP: "event", SIGUSR1: "reopen-log", SIGUSR2: "event" },
      jobs: [PLAIN],
      watches: [],
      telemetry: null,
      control: { socket: "/var/run/containerpilot.socket" },
    });
    expect([warnings, dialect]).toEqual([[], "v3"]);
  });

  test("is JSON5 behind a template", () => {
    const text = `{
      // a comment
      consul: '{{ .CONSUL | default "consul" }}:8500', /* another */
      jobs: [
        {{ range $i := loop 1 3 }}
        { name: "worker-{{ $i }}", exec: ["work", 0x10, "{{ env "TOKEN" }}", "a\\
b"], },
        {{ end }}
      ],
      stopTimeout: 3, stopTimeout: 7,
    }`;
    const { config } = load(text, { env: { TOKEN: "a=b=c" } });
    expect(config.catalogue).toMatchObject({ address: "consul:8500" });
    expect(config.jobs.map(({ name }) => name)).toEqual(["worker-1", "worker-2"]);
    expect(config.jobs[0]?.exec).toEqual(["work", "16", "a=b=c", "ab"]);
    expect(config.stopTimeoutMs).toBe(7_000);
  });

  test("takes numbers for texts and texts for numbers, and what is null for not there", () => {
    const web = load(
      `{ consul: "localhost:8500", stopTimeout: "9", telemetry: null, jobs: [
      null,
      { name: 7, exec: ["x", 1, true], port: "80", initial_status: null, tags: "one", logging: { raw: "true" },
        health: { interval: "5", ttl: 10.9, exec: null, timeout: 3 }, restarts: "3", timeout: "2" },
    ] }`.replace("name: 7", `name: "web"`),
    );
    expect(web.config.stopTimeoutMs).toBe(9_000);
    expect(web.config.jobs).toMatchObject([
      {
        name: "web",
        exec: ["x", "1", "1"],
        restarts: 3,
        timeoutMs: 2_000,
        log: { raw: true },
        health: {
          check: { kind: "heartbeat" },
          intervalMs: 5_000,
          ttlMs: 10_000,
          timeoutMs: 3_000,
        },
        service: { port: 80, tags: ["one"] },
      },
    ]);
    expect(web.warnings).toEqual([
      "jobs[1].health.ttl: the fraction of 10.9 is cut off, as ContainerPilot does it",
      "jobs[0]: an empty entry is left out",
    ]);
    expect(job(`{ name: 7, exec: "x" }`).name).toBe("7");
  });

  test("splits a command at each space, without a shell, and says what surprises", () => {
    const text = withJob(`{ name: "x", exec: "echo 'a b'  c" }`);
    expect(load(text).config.jobs[2]?.exec).toEqual(["echo", "'a", "b'", "", "c"]);
    expect(load(text).warnings).toEqual([
      expect.stringMatching(/^jobs\[2\]\.exec: quotes are passed on/),
      expect.stringMatching(/^jobs\[2\]\.exec: a space at the end, or after another one/),
    ]);
  });

  test("starts jobs by events, signals and intervals", () => {
    const event = { kind: "event", each: false };
    expect(trigger(`{ source: "plain", once: "exitSuccess" }`)).toEqual({
      ...event,
      sources: ["plain"],
      event: "exitSuccess",
    });
    expect(trigger(`{ source: "watch.db", each: "changed" }`)).toEqual({
      kind: "event",
      sources: ["watch.db"],
      event: "changed",
      each: true,
    });
    expect(trigger(`{ source: "check.web", each: "exitFailed" }`)).toMatchObject({
      sources: ["check.web"],
    });
    expect(trigger(`{ source: "SIGHUP" }`)).toEqual({ kind: "signal", signals: ["SIGHUP"] });
    expect(trigger(`{ source: "SIGUSR2", each: "changed" }`)).toEqual({
      kind: "signal",
      signals: ["SIGUSR2"],
    });
    expect(trigger(`{ interval: "90s" }`)).toEqual({
      kind: "interval",
      everyMs: 90_000,
      firstAtOnce: true,
    });
    expect(trigger(`{ interval: "5", first: "after-interval" }`)).toEqual({
      kind: "interval",
      everyMs: 5_000,
      firstAtOnce: false,
    });
    expect(trigger(`{}`)).toEqual({ ...event, sources: ["global"], event: "startup" });
  });

  test("an event of everyone needs no source, as the documentation has it", () => {
    const expected = { kind: "event", sources: ["global"], each: true };
    expect(trigger(`{ each: "enterMaintenance" }`)).toEqual({
      ...expected,
      event: "enterMaintenance",
    });
    expect(trigger(`{ source: "global", each: "exitMaintenance" }`)).toEqual({
      ...expected,
      event: "exitMaintenance",
    });
    expect(trigger(`{ once: "shutdown" }`)).toEqual({
      ...expected,
      each: false,
      event: "shutdown",
    });
  });

  test("an interval bounds its job and repeats it; restarts count the runs after the first", () => {
    expect(job(`{ name: "x", exec: "x", when: { interval: "2s" } }`)).toMatchObject({
      timeoutMs: 2_000,
      restarts: "unlimited",
    });
    expect(
      job(`{ name: "x", exec: "x", when: { interval: "2s" }, restarts: "never", timeout: "1m" }`),
    ).toMatchObject({ timeoutMs: 60_000, restarts: 0 });
    expect(
      job(`{ name: "x", exec: "x", when: { source: "web", each: "healthy" }, restarts: 3 }`)
        .restarts,
    ).toBe(3);
  });

  test("a service has the address, the tags and the state that it asks for", () => {
    const text = `{ name: "api", port: 8080, interfaces: ["static:10.0.0.9", "eth1[0]"], tags: ["a"], initial_status: "warning",
      consul: { enableTagOverride: true }, health: { interval: 1, ttl: 5 } }`;
    expect(job(text)).toMatchObject({
      exec: null,
      health: { check: { kind: "heartbeat" }, timeoutMs: 1_000, passes: 1, failures: 1 },
      service: {
        port: 8080,
        interfaces: [
          { kind: "static", address: "10.0.0.9" },
          { kind: "index", name: "eth1", index: 0 },
        ],
        tags: ["a"],
        initialStatus: "warning",
        enableTagOverride: true,
        deregisterCriticalServiceAfter: null,
      },
    });
    expect(
      job(
        `{ name: "api", port: 1, health: { interval: 1, ttl: 5 }, consul: { deregisterCriticalServiceAfter: "90m" } }`,
      ).service,
    ).toMatchObject({
      interfaces: [
        { name: "eth0", family: 4 },
        { name: null, family: 4 },
      ],
      deregisterCriticalServiceAfter: "90m",
    });
  });

  test("watches by name, tag and datacenter", () => {
    const { config } = load(
      `{ consul: "x:1", watches: [{ name: "db", interval: 3, tag: "primary", dc: "east" }] }`,
    );
    expect(config.watches).toEqual([
      {
        kind: "service",
        id: "db",
        service: "db",
        tag: "primary",
        datacenter: "east",
        intervalMs: 3_000,
      },
    ]);
  });

  test("telemetry takes one interface or several, and metrics with only a name", () => {
    const { config } =
      load(`{ consul: "x:1", telemetry: { port: 9091, interfaces: "inet", tags: ["t"], metrics: [
      { name: "free", help: "free memory", type: "gauge" },
      { namespace: "org", subsystem: "app", name: "requests", help: "requests", type: "counter" } ] } }`);
    expect(config.telemetry).toEqual({
      port: 9091,
      interfaces: [{ kind: "family", name: null, family: 4 }],
      tags: ["t"],
      metrics: [
        { fullName: "free", help: "free memory", type: "gauge" },
        { fullName: "org_app_requests", help: "requests", type: "counter" },
      ],
    });
  });

  test("stop time-outs: zero is the default, less kills at once; no socket when it is empty", () => {
    const { config } = load(`{ consul: "x:1", stopTimeout: 0, control: { socket: "" } }`);
    expect([config.stopTimeoutMs, config.control]).toEqual([5_000, null]);
    expect(load(`{ consul: "x:1", stopTimeout: -1 }`).config.stopTimeoutMs).toBe(0);
  });
});

describe("Consul's part", () => {
  const consul = (text: string, env: NodeJS.ProcessEnv = {}) =>
    load(`{ consul: ${text} }`, { env });

  test("is an address, a URL or an object", () => {
    expect(consul(`"consul:8500"`).config.catalogue).toMatchObject({
      scheme: "http",
      address: "consul:8500",
    });
    expect(consul(`"https://consul:8501"`).config.catalogue).toMatchObject({
      scheme: "https",
      address: "consul:8501",
    });
    expect(consul(`"consul"`).config.catalogue).toMatchObject({ address: "consul:8500" });
    expect(consul(`"[::1]:8500"`).config.catalogue).toMatchObject({ address: "[::1]:8500" });
    expect(consul(`{}`).config.catalogue).toMatchObject({
      address: "127.0.0.1:8500",
      scheme: "http",
    });
    expect(
      consul(
        `{ address: "c:1", scheme: "https", token: "t", tls: { cafile: "/ca", verify: false } }`,
      ).config.catalogue,
    ).toMatchObject({
      address: "c:1",
      scheme: "https",
      token: "t",
      tls: { cafile: "/ca", verify: false },
    });
  });

  test("the standard variables win over the file, and are named as the origin; no token is shown", () => {
    const env = {
      CONSUL_HTTP_TOKEN: "from-env",
      CONSUL_CACERT: "/env/ca",
      CONSUL_HTTP_SSL_VERIFY: "0",
    };
    const { config, values } = consul(`{ address: "https://c:1", token: "from-file" }`, env);
    expect(config.catalogue).toMatchObject({
      token: "from-env",
      tls: { cafile: "/env/ca", verify: false },
    });
    const shown = new Map(values.map(({ path, value, origin }) => [path, [value, origin]]));
    expect(shown.get("consul.token")).toEqual(["***", "CONSUL_HTTP_TOKEN"]);
    expect(shown.get("consul.tls.verify")).toEqual(["0", "CONSUL_HTTP_SSL_VERIFY"]);
    expect(shown.get("consul.address")).toEqual(["https://c:1", "file"]);
    expect(shown.get("logging.level")).toEqual(["INFO", "default"]);
  });

  test("what is secret by its name is not shown, wherever it was written", () => {
    const { values } = load(`{ consul: { address: "c:1", token: "from-file" },
      jobs: [{ name: "x", exec: "x", env: { DB_PASSWORD: "plain", USER: "me" } }] }`);
    const shown = new Map(values.map(({ path, value }) => [path, value]));
    expect(shown.get("consul.token")).toBe("***");
    expect(shown.get("jobs[0].env.DB_PASSWORD")).toBe("***");
    expect(shown.get("jobs[0].env.USER")).toBe("me");
  });

  test("certificates are verified, which is said, because the original did not", () => {
    expect(consul(`"https://c:1"`).warnings).toEqual([
      expect.stringMatching(/^consul\.tls\.verify: certificates are verified/),
    ]);
    expect(consul(`{ address: "https://c:1", tls: { verify: true } }`).warnings).toEqual([]);
  });
});
