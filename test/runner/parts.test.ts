// The runner's parts by themselves: formats of lines, addresses, names of variables, and the registrar's one last word.
import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import { parseInterfaceSpec } from "../../src/core/interface-spec.ts";
import { ConflictError, UnavailableError } from "../../src/errors.ts";
import { SILENT } from "../../src/log.ts";
import type { Directory } from "../../src/ports.ts";
import { causeEnv, addressVariable, pidVariable } from "../../src/runner/environment.ts";
import { addressFor } from "../../src/runner/interfaces.ts";
import { eachLine } from "../../src/runner/lines.ts";
import { formatLine, isShown } from "../../src/runner/log-format.ts";
import { makeRegistrar } from "../../src/runner/registrar.ts";
import { realClock } from "../../src/runtime/clock.ts";
import { HEALTH, makeJob, SERVICE } from "../core/runner-world.ts";
import { until } from "../contract/until.ts";

const line = { time: "2018-05-02T12:00:00.123Z", level: "info", msg: `say "hi"` } as const;

describe("formats", () => {
  test("are the original's", () => {
    const fields = { job: "app", pid: 17 };
    expect(formatLine({ ...line, fields }, "default")).toBe(`${line.time} app 17 say "hi"\n`);
    expect(formatLine({ ...line, fields: { check: "check.app", pid: 3 } }, "default")).toBe(
      `${line.time} check.app 3 say "hi"\n`,
    );
    expect(formatLine({ ...line, fields }, "text")).toBe(
      `time="${line.time}" level=info msg="say \\"hi\\"" job=app pid=17\n`,
    );
    expect(formatLine({ ...line, fields }, "json")).toBe(
      `{"job":"app","level":"info","msg":"say \\"hi\\"","pid":17,"time":"${line.time}"}\n`,
    );
    expect([isShown("info", "WARN"), isShown("error", "WARN"), isShown("debug", "DEBUG")]).toEqual([
      false,
      true,
      true,
    ]);
  });

  test("lines survive pieces, halves of characters and ends without an end", async () => {
    const stream = new PassThrough();
    const lines: string[] = [];
    eachLine(stream, (one) => lines.push(one));
    const bytes = Buffer.from("eins\r\nzwei é\n\ndrei");
    for (const byte of bytes) stream.write(Buffer.of(byte));
    stream.end();
    await until("it is closed", () => stream.closed);
    expect(lines).toEqual(["eins", "zwei é", "", "drei"]);
  });
});

describe("addresses", () => {
  const one = (address: string, internal = false) =>
    ({ address, internal, netmask: "", mac: "", cidr: null, family: "IPv4" }) as never;
  const machine = {
    lo: [one("127.0.0.1", true), one("::1", true)],
    eth1: [one("192.168.1.2")],
    eth0: [one("fdc6::2"), one("10.2.0.2"), one("10.2.0.1")],
    "br-1a2b": [one("172.18.0.1")],
  };
  const found = (...specs: string[]): string =>
    addressFor(
      "job a",
      specs.map((spec) => parseInterfaceSpec(spec) ?? expect.fail(spec)),
      machine,
    );

  test.each([
    [["eth0"], "10.2.0.1"],
    [["eth0:inet6"], "fdc6::2"],
    [["eth0[1]"], "10.2.0.2"],
    [["eth0[2]"], "fdc6::2"],
    [["192.168.0.0/16"], "192.168.1.2"],
    [["fdc6::/48"], "fdc6::2"],
    [["inet"], "172.18.0.1"],
    [["eth7", "inet6"], "fdc6::2"],
    [["br-1a2b"], "172.18.0.1"],
    [["static:1.2.3.4"], "1.2.3.4"],
    [["lo"], "127.0.0.1"],
  ])("%j is %s", (specs, address) => {
    expect(found(...specs)).toBe(address);
  });

  test("without a match both sides are told", () => {
    expect(() => found("eth9:inet", "10.9.0.0/16")).toThrow(
      "job a: none of the interface specifications were able to match. Specifications: [eth9:inet, 10.9.0.0/16]. Interfaces IPs: [br-1a2b:172.18.0.1, eth0:10.2.0.1,",
    );
  });
});

describe("variables", () => {
  test("are named as the original's", () => {
    expect(addressVariable("my-app")).toBe("CONTAINERPILOT_MY_APP_IP");
    expect(pidVariable("coprocess.sh")).toBe("CONTAINERPILOT_COPROCESS_PID");
    expect(pidVariable("a b")).toBe("CONTAINERPILOT_A_B_PID");
  });

  test("a change of thousands of instances still fits into an environment", () => {
    const all = Array.from({ length: 10_000 }, (_, i) => `10.0.${i >> 8}.${i & 255}:8080`);
    const seen = { all, added: all, removed: [], changed: [] };
    const env = causeEnv({ source: "watch.a", event: "changed" }, seen);
    expect(env["AUTOPILOT_WATCH_COUNT"]).toBe("10000");
    expect(env["AUTOPILOT_WATCH_ALL"]?.endsWith(" …")).toBe(true);
    expect(Object.values(env).join("").length).toBeLessThan(128 * 1024);
  });
});

describe("the registrar", () => {
  const job = makeJob({ name: "web", service: SERVICE, health: HEALTH });

  /** A catalogue that answers when told to. */
  function make() {
    const calls: string[] = [];
    const fail = new Map<string, Error>();
    const gates: (() => void)[] = [];
    let held = false;
    const call = async (what: string): Promise<void> => {
      calls.push(what);
      if (held) await new Promise<void>((resolve) => gates.push(resolve));
      const error = fail.get(what.split(" ")[0] ?? "");
      if (error !== undefined) throw error;
    };
    const directory = {
      register: (_: unknown, ttl: number | null, more: { status?: string } = {}) =>
        call(`register ${String(more.status)} ${ttl}`),
      report: (_: string, status: string) => call(`report ${status}`),
      deregister: () => call("deregister"),
    } as unknown as Directory;
    const withdrawn: string[] = [];
    const registrar = makeRegistrar({
      directory,
      hostname: "host",
      addressOf: () => "10.0.0.7",
      clock: realClock,
      log: SILENT,
      onWithdrawn: (name) => withdrawn.push(name),
    });
    const release = (): void => {
      held = false;
      for (const open of gates.splice(0)) open();
    };
    return { calls, fail, registrar, withdrawn, hold: () => (held = true), release };
  }
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  test("registers at the first passing check with its state, then reports", async () => {
    const { calls, registrar } = make();
    registrar.advertise(job, "critical");
    await settled();
    for (const status of ["passing", "critical"] as const) {
      registrar.advertise(job, status);
      await settled();
    }
    expect(calls).toEqual(["register passing 5", "report critical"]);
  });

  test("while one request is under way only the last word waits", async () => {
    const { calls, registrar, withdrawn, hold, release } = make();
    hold();
    registrar.advertise(job, "passing");
    for (let i = 0; i < 1_000; i++) registrar.advertise(job, i % 2 === 0 ? "critical" : "passing");
    registrar.withdraw("web");
    release();
    await until("it has left", () => withdrawn.length === 1);
    expect(calls).toEqual(["register passing 5", "deregister"]);
  });

  test("forgotten: it is registered again at once; unreachable: the next word is the next try", async () => {
    const { calls, fail, registrar, withdrawn } = make();
    registrar.advertise(job, "passing");
    await settled();
    fail.set("report", new ConflictError("AP_CONSUL_UNREACHABLE", "unknown"));
    registrar.advertise(job, "passing");
    await settled();
    expect(calls).toEqual(["register passing 5", "report passing", "register passing 5"]);
    fail.set("deregister", new UnavailableError("AP_CONSUL_UNREACHABLE", "down"));
    registrar.withdraw("web");
    await settled();
    registrar.withdraw("web");
    await settled();
    // Answered in any case: a stop must not wait for a catalogue; and asked for again, as it may still be there.
    expect(withdrawn).toEqual(["web", "web"]);
    expect(calls.slice(3)).toEqual(["deregister", "deregister"]);
    fail.clear();
    registrar.withdraw("web");
    await settled();
    registrar.withdraw("web");
    registrar.advertise(job, "critical");
    await settled();
    // Once it is gone for certain, it is as if it had never been there.
    expect(calls.slice(5)).toEqual(["deregister"]);
  });
});
