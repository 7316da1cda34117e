// Everything that is wrong with a configuration is told at once, with its path: what the original rejected, and what it
// let pass though it could never work.
import { describe, expect, test } from "vitest";
import { load, refusal, withJob } from "./runner.ts";

const health = "health: { interval: 5, ttl: 10 }";
const job = (rest: string): string => withJob(`{ name: "x", exec: "x", ${rest} }`);
const watches = (rest: string): string => `{ consul: "c:1", watches: [${rest}] }`;
const metrics = (rest: string): string => `{ consul: "c:1", telemetry: { metrics: [${rest}] } }`;

/** [configuration, its only problem: the path, and a part of what is said] */
const ORIGINALS: readonly (readonly [string, string, string])[] = [
  ["{ jobs: [] }", "consul", "no discovery backend defined"],
  ["{ consul: false }", "consul", "no discovery backend defined"],
  ["{ consul: 5 }", "consul", "no discovery backend defined"],
  ["{ consul: null }", "consul", "no discovery backend defined"],
  [`{ consul: "http://a b" }`, "consul.address", "expected host:port"],
  [`{ consul: { address: "c:1", nope: 1 } }`, "consul.nope", "unknown key"],
  [`{ consul: { tls: { verify: "maybe" } } }`, "consul.tls.verify", "expected true or false"],
  [`{ consul: "c:1", foo: 1 }`, "foo", "unknown key"],
  [`{ consul: "c:1", logging: { level: "LOUD" } }`, "logging.level", `"LOUD" is no log level`],
  [`{ consul: "c:1", logging: { format: "xml" } }`, "logging.format", "no log format"],
  [`{ consul: "c:1", stopTimeout: "5s" }`, "stopTimeout", "expected a whole number"],
  [`{ consul: "c:1", control: { socket: "/${"x".repeat(120)}" } }`, "control.socket", "107 bytes"],
  // jobs
  [withJob(`{ exec: "x" }`), "jobs[2].name", "it is missing"],
  [withJob(`{ name: " ", exec: "x" }`), "jobs[2].name", "must not be blank"],
  [withJob(`{ name: "my_api", port: 1, ${health} }`), "jobs[2].name", "service names"],
  [withJob(`{ name: "a", port: 1, ${health} }`), "jobs[2].name", "service names"],
  [withJob(`{ name: "x", exec: "" }`), "jobs[2].exec", "the command is empty"],
  [withJob(`{ name: "x", exec: [] }`), "jobs[2].exec", "the command is empty"],
  [withJob(`{ name: "x", exec: 5 }`), "jobs[2].exec", "expected a command"],
  [withJob(`{ name: "x", exec: ["a", {}] }`), "jobs[2].exec", "expected texts"],
  [job("foo: 1"), "jobs[2].foo", "unknown key"],
  [job("meta: {}"), "jobs[2].meta", "unknown key"],
  [job("logging: { color: 1 }"), "jobs[2].logging.color", "unknown key"],
  [job(`when: { interval: "5s", once: "startup" }`), "jobs[2].when", "only one of"],
  [job(`when: { once: "startup", each: "startup" }`), "jobs[2].when", "only one of"],
  [job(`when: { source: "web", once: "bogus" }`), "jobs[2].when.once", `"bogus" is no event`],
  [job(`when: { interval: "xx" }`), "jobs[2].when.interval", "expected a duration"],
  [job(`when: { interval: 1.5 }`), "jobs[2].when.interval", "expected a duration"],
  [job(`when: { interval: "1us" }`), "jobs[2].when.interval", "cannot be less than 1ms"],
  [
    job(`when: { source: "web", once: "healthy", timeout: "x" }`),
    "jobs[2].when.timeout",
    "expected a duration",
  ],
  [job(`restarts: "often"`), "jobs[2].restarts", `neither a number, "unlimited" nor "never"`],
  [job("restarts: true"), "jobs[2].restarts", "neither a number"],
  [job("restarts: -1"), "jobs[2].restarts", "must not be negative"],
  [
    job(`restarts: "unlimited", when: { source: "watch.db", each: "changed" }`),
    "jobs[2].restarts",
    "may not be unlimited with `each`",
  ],
  [job("timeout: 0"), "jobs[2].timeout", "cannot be less than 1ms"],
  [job(`timeout: "x"`), "jobs[2].timeout", "expected a duration"],
  [job(`stopTimeout: "xx"`), "jobs[2].stopTimeout", "expected a duration"],
  [
    withJob(`{ name: "api", exec: "x", port: 8080 }`),
    "jobs[2].health",
    "must be set if `port` is set",
  ],
  [job(`port: "http"`), "jobs[2].port", "expected a whole number"],
  [
    withJob(`{ name: "api", port: 1, interfaces: "10.0.0.1", ${health} }`),
    "jobs[2].interfaces",
    "no interface specification",
  ],
  [
    withJob(`{ name: "api", port: 1, interfaces: ["static:x"], ${health} }`),
    "jobs[2].interfaces",
    "no interface specification",
  ],
  [
    withJob(`{ name: "api", port: 1, initial_status: "good", ${health} }`),
    "jobs[2].initial_status",
    "no status: passing, warning, critical",
  ],
  [withJob(`{ name: "api", port: 1, tags: [{}], ${health} }`), "jobs[2].tags", "expected texts"],
  [
    withJob(
      `{ name: "api", port: 1, consul: { deregisterCriticalServiceAfter: "soon" }, ${health} }`,
    ),
    "jobs[2].consul.deregisterCriticalServiceAfter",
    "expected a duration",
  ],
  [job(`health: { interval: 5 }`), "jobs[2].health.ttl", "it is missing"],
  [job(`health: { exec: "x", interval: 0, ttl: 10 }`), "jobs[2].health.interval", "must be > 0"],
  [job(`health: { exec: "x", interval: 0.5, ttl: 10 }`), "jobs[2].health.interval", "must be > 0"],
  [
    job(`health: { exec: "x", interval: "5s", ttl: 10 }`),
    "jobs[2].health.interval",
    "expected a whole number",
  ],
  [
    job(`health: { exec: "x", interval: 5, ttl: "10s" }`),
    "jobs[2].health.ttl",
    "expected a whole number",
  ],
  [
    job(`health: { exec: "", interval: 5, ttl: 10 }`),
    "jobs[2].health.exec",
    "the command is empty",
  ],
  [
    job(`health: { exec: "x", interval: 5, ttl: 10, timeout: "xx" }`),
    "jobs[2].health.timeout",
    "expected a duration",
  ],
  // watches and telemetry
  [watches("{ interval: 1 }"), "watches[0].name", "it is missing"],
  [watches(`{ name: "my db", interval: 1 }`), "watches[0].name", "service names"],
  [watches(`{ name: "db" }`), "watches[0].interval", "must be > 0"],
  [watches(`{ name: "db", interval: 0 }`), "watches[0].interval", "must be > 0"],
  [watches(`{ name: "db", interval: "5s" }`), "watches[0].interval", "expected a whole number"],
  [watches(`{ name: "db", interval: 1, foo: 1 }`), "watches[0].foo", "unknown key"],
  [metrics(`{ name: "x", help: "h", type: "foo" }`), "telemetry.metrics[0].type", "no metric type"],
  [
    metrics(`{ name: "x", help: "", type: "gauge" }`),
    "telemetry.metrics[0].help",
    "must not be blank",
  ],
  [
    metrics(`{ name: "a-b", help: "h", type: "gauge" }`),
    "telemetry.metrics[0].name",
    "cannot be part of a metric's name",
  ],
  [
    `{ consul: "c:1", telemetry: { interfaces: "?" } }`,
    "telemetry.interfaces",
    "no interface specification",
  ],
];

const LET_PASS: readonly (readonly [string, string, string])[] = [
  // sources and jobs that can never run
  [
    job(`when: { source: "wbe", once: "healthy" }`),
    "jobs[2].when.source",
    `there is no source "wbe", did you mean web?`,
  ],
  [
    job(`when: { source: "watch.bd", each: "changed" }`),
    "jobs[2].when.source",
    "did you mean watch.db?",
  ],
  [job(`when: { source: "db", each: "changed" }`), "jobs[2].when.source", "there is no source"],
  [
    job(`when: { source: "Global", once: "startup" }`),
    "jobs[2].when.source",
    "did you mean global?",
  ],
  [job(`when: { source: "web" }`), "jobs[2].when", "can never run"],
  [job(`when: { once: "healthy" }`), "jobs[2].when.source", "whose healthy?"],
  [
    job(`when: { source: "plain", once: "healthy" }`),
    "jobs[2].when.source",
    "plain never sends healthy",
  ],
  [
    job(`when: { source: "plain", once: "changed" }`),
    "jobs[2].when.source",
    "plain never sends changed",
  ],
  [
    job(`when: { source: "watch.db", once: "exitSuccess" }`),
    "jobs[2].when.source",
    "watch.db never sends",
  ],
  [job(`when: { source: "global", once: "changed" }`), "jobs[2].when.source", "global never sends"],
  [
    job(`when: { source: "web", once: "timerExpired" }`),
    "jobs[2].when.source",
    "web never sends timerExpired",
  ],
  [
    job(`when: { source: "check.plain", once: "exitFailed" }`),
    "jobs[2].when.source",
    "there is no source",
  ],
  [job(`when: { source: "web", once: "SIGHUP" }`), "jobs[2].when.once", "is no event"],
  [job(`when: { source: "x", once: "exitSuccess" }`), "jobs[2].when.source", "it waits for itself"],
  [
    withJob(
      `{ name: "x", health: { tcp: 1, interval: 1, ttl: 3 } }, { name: "y", exec: "y", when: { source: "x", once: "exitFailed" } }`,
    ),
    "jobs[3].when.source",
    "x never sends exitFailed",
  ],
  [
    job(`when: { source: ["web", "SIGHUP"], once: "stopped" }`),
    "jobs[2].when.source",
    "a signal cannot stand beside",
  ],
  [
    job(`when: { source: "web", once: "stopped", after: [{ source: "nope", event: "healthy" }] }`),
    "jobs[2].when.after[0]",
    "there is no source",
  ],
  [
    job(`when: { source: "global", once: "shutdown", ifRunning: true }`),
    "jobs[2].when.ifRunning",
    "only a job's process",
  ],
  // checks, ports, names
  [
    job(`health: { exec: "x", interval: 10, ttl: 9 }`),
    "jobs[2].health.ttl",
    "9 is below the interval of 10",
  ],
  [withJob(`{ name: "api", port: 70000, ${health} }`), "jobs[2].port", "at most 65535"],
  [withJob(`{ name: "api", port: -1, ${health} }`), "jobs[2].port", "at least 0"],
  [withJob(`{ name: "web", exec: "x" }`), "jobs[2].name", `"web" is the name of jobs[0] too`],
  [
    watches(`{ name: "db", interval: 1 }, { name: "db", interval: 1, tag: "a" }`),
    "watches[1].name",
    "give one of them another name by `as`",
  ],
  [
    metrics(`{ name: "x", help: "h", type: "gauge" }, { name: "x", help: "h", type: "counter" }`),
    "telemetry.metrics[1].name",
    "telemetry.metrics[0] is x too",
  ],
  [
    `{ consul: "c:1", telemetry: {}, jobs: [{ name: "containerpilot", exec: "x" }] }`,
    "jobs[0].name",
    "telemetry registers itself",
  ],
  [`{ consul: "c:1", jobs: { web: {} } }`, "jobs", "expected array, got object"],
  // our own keys
  [`{ consul: "c:1", etcd: { endpoints: ["e:1"] } }`, "etcd", "more than one discovery backend"],
  [`{ etcd: { endpoints: ["e:1"], prefix: "/a//b" } }`, "etcd.prefix", "expected a path like"],
  [
    `{ etcd: { endpoints: ["e:1"] }, watches: [{ name: "db", interval: 1, dc: "west" }] }`,
    "watches[0].dc",
    "etcd has no datacenters",
  ],
  [
    `{ discovery: "none", watches: [{ name: "db", interval: 1 }] }`,
    "watches[0]",
    "it needs a catalogue",
  ],
  [job(`user: ""`), "jobs[2].user", "must not be blank"],
  [job(`stopSignal: "SIGNOPE"`), "jobs[2].stopSignal", "there is no signal"],
  [job(`env: { "A=B": "x" }`), "jobs[2].env", "no name of a variable"],
  [job(`stopAfter: ["wbe"]`), "jobs[2].stopAfter", `there is no job "wbe", did you mean web?`],
  [job(`stopAfter: ["x"]`), "jobs[2].stopAfter", "waits at its stop for a job that waits for it"],
  [job(`metric: "x"`), "jobs[2].metric", "there is no metric"],
  [job(`exit: { successCodes: [256] }`), "jobs[2].exit.successCodes[0]", "at most 255"],
  [
    job(`health: { exec: "x", tcp: 80, interval: 5, ttl: 10 }`),
    "jobs[2].health",
    "only one of exec, tcp",
  ],
  [
    job(`health: { http: "ftp://x", interval: 5, ttl: 10 }`),
    "jobs[2].health.http",
    "expected an http://",
  ],
  [
    job(`health: { tcp: "x", interval: 5, ttl: 10 }`),
    "jobs[2].health.tcp",
    "expected a port or host:port",
  ],
];

describe("a configuration that is wrong", () => {
  for (const [text, path, why] of [...ORIGINALS, ...LET_PASS])
    test(`is told: ${path}: ${why} (${text.replaceAll(/\s+/g, " ").slice(-70)})`, () => {
      const { code, problems } = refusal(text);
      expect(code).toBe("AP_CONFIG_INVALID");
      expect(problems).toHaveLength(1);
      expect(problems[0]?.startsWith(`${path}: `)).toBe(true);
      expect(problems[0]).toContain(why);
    });

  test("is told all at once, mistyped keys and mistaken relations together", () => {
    const text = `{ consl: "c:1", logging: { level: "LOUD" }, jobs: [
      { name: "", exec: 5, restarts: -1, when: { source: "ap", once: "healthy" } },
      { name: "app", port: 70000, health: { interval: 10, ttl: 5 } },
      { name: "app", exec: "x", when: { once: "bogus", each: "changed" } } ],
      watches: [{ name: "db" }] }`;
    const paths = refusal(text).problems.map((line) => line.split(": ")[0] ?? "");
    expect(paths.toSorted()).toEqual([
      "consl",
      "consul",
      "jobs[0].exec",
      "jobs[0].name",
      "jobs[0].restarts",
      "jobs[0].when.source",
      "jobs[1].health.ttl",
      "jobs[1].port",
      "jobs[2].name",
      "jobs[2].when.once",
      "jobs[2].when.source",
      "logging.level",
      "watches[0].interval",
    ]);
  });

  test("jobs that wait for each other are told, those that only wait are not", () => {
    const circle = `{ discovery: "none", jobs: [
      { name: "a", exec: "a", when: { source: "b", once: "exitSuccess" } },
      { name: "b", exec: "b", when: { source: "a", once: "exitSuccess" } },
      { name: "c", exec: "c", when: { source: "a", once: "exitFailed" } },
      { name: "d", exec: "d" } ] }`;
    expect(refusal(circle).problems).toEqual(
      [0, 1, 2].map((i) => expect.stringMatching(`^jobs\\[${i}\\]\\.when: it can never run`)),
    );
    expect(load(circle.replace(`source: "b"`, `source: "d"`)).config.jobs).toHaveLength(4);
    // A job that never ran still stops, and one that gave up waiting says so.
    const stops = circle.replace(
      `once: "exitSuccess" } },\n      { name: "b"`,
      `once: "stopped" } },\n      { name: "b"`,
    );
    expect(load(stops).config.jobs).toHaveLength(4);
  });

  test("jobs that would wait for each other at their stop are told", () => {
    const text = `{ discovery: "none", jobs: [
      { name: "a", exec: "a", stopAfter: ["b"] },
      { name: "b", exec: "b", stopAfter: ["c"] },
      { name: "c", exec: "c" },
      { name: "hook", exec: "h", when: { source: "c", once: "stopping" }, stopAfter: ["a"] } ] }`;
    expect(refusal(text).problems).toContainEqual(
      expect.stringMatching(/^jobs\[0\]\.stopAfter: it waits at its stop/),
    );
    expect(load(text.replace(`, stopAfter: ["a"]`, "")).config.jobs).toHaveLength(4);
  });

  test("shows no secret: not from the environment, not from an address", () => {
    const env = { DB_PASSWORD: "hunter22" };
    const { problems } = refusal(
      `{ consul: "http://me:geheim@c d:1", jobs: [{ name: "x", exec: "x", timeout: "{{ .DB_PASSWORD }}" }] }`,
      { env },
    );
    expect(problems).toHaveLength(2);
    expect(problems.join()).not.toMatch(/hunter22|geheim/);
    const unparsed = refusal(`{ consul: "{{ .DB_PASSWORD }}" ! }`, { env });
    expect(`${unparsed.message} ${unparsed.problems.join()}`).not.toContain("hunter22");
  });

  test("a text that does not parse is told with line, column, and the line itself", () => {
    const { code, message, problems } = refusal(`{\n  consul: "c:1",\n  jobs: [ ! ],\n}`);
    expect(code).toBe("AP_CONFIG_UNREADABLE");
    expect(message).toBe("app.json5:3:11: invalid character '!'");
    expect(problems).toEqual([`  consul: "c:1",`, "  jobs: [ ! ],", "----------^"]);
    expect(refusal("[]").message).toBe("app.json5: expected one object in braces");
    expect(refusal("{ {{ nope }} }").code).toBe("AP_TEMPLATE_INVALID");
  });
});

describe("what is only odd", () => {
  const odd: readonly (readonly [string, string])[] = [
    [job(`tags: ["a"], interfaces: "inet"`), "jobs[2].interfaces: it means nothing without `port`"],
    [
      job(`when: { interval: "5s", source: "web" }`),
      "jobs[2].when.source: it means nothing beside `interval`",
    ],
    [job(`health: { exec: "x", interval: 5, ttl: 5 }`), "jobs[2].health.ttl: it is the interval"],
    [job("health: { interval: 5, ttl: 10 }"), "jobs[2].health: it has nothing to check"],
    [withJob(`{ name: "x" }`), "jobs[2]: it has neither exec nor port"],
  ];
  for (const [text, warning] of odd)
    test(`is a warning: ${warning}`, () =>
      expect(load(text).warnings).toContainEqual(expect.stringContaining(warning)));
});
