import { describe, expect, test } from "vitest";
import { ConfigError, InvariantError } from "../../src/errors.ts";
import { recordingLog } from "./recording-log.ts";

describe("the log", () => {
  test("is JSON lines with fixed keys, those of the moment among them", () => {
    const { log, lines } = recordingLog({ fields: { cluster: "main", node: "mysql-1" } });
    log.moment({ tick: 4, role: "primary", epoch: 2 });
    log.child({ hook: "promoted" }).info("hello", { ms: 3 });
    expect(lines[0]).toEqual({
      level: "info",
      time: expect.stringMatching(/^\d{4}-.*Z$/) as string,
      cluster: "main",
      node: "mysql-1",
      tick: 4,
      role: "primary",
      epoch: 2,
      hook: "promoted",
      ms: 3,
      msg: "hello",
    });
  });

  test("no line ever carries a registered secret, in whatever field and however written", () => {
    const { log, text } = recordingLog();
    const child = log.child({ component: "c" });
    child.redact('pass"word-123');
    log.redact("abc");
    log.info('the pass"word-123 is', { why: 'pass"word-123', deep: { in: ['pass"word-123'] } });
    child.error("failed", { err: new Error('login with pass"word-123') });
    expect(text()).not.toContain("word-123");
    expect(text()).toContain("***");
    expect(log.clean('x pass"word-123 abc')).toBe("x *** abc");
  });

  test("errors keep their cause's message, and nothing that a driver hangs onto them", () => {
    const { log, lines } = recordingLog();
    const driver = Object.assign(new Error("Duplicate entry"), {
      code: "ER_DUP_ENTRY",
      sql: "CREATE USER x IDENTIFIED BY 'geheim'",
    });
    log.error("execute", { err: new ConfigError("AP_USAGE", "statement", { cause: driver }) });
    expect(lines[0]?.["err"]).toEqual({
      type: "ConfigError",
      message: "statement: Duplicate entry",
      code: "AP_USAGE",
    });
    log.error("execute", { err: driver });
    expect(JSON.stringify(lines[1])).not.toContain("geheim");
  });

  test("a bug tells where it began", () => {
    const { log, lines } = recordingLog();
    const cause = new TypeError("inner");
    log.error("bug", { err: new InvariantError("AP_BUG_INVARIANT", "decide threw", { cause }) });
    expect(lines[0]).toHaveProperty("err.stack", expect.stringMatching(/^TypeError: inner/));
  });

  test("the level holds back what is below it", () => {
    const { log, lines } = recordingLog({ level: "warn" });
    log.debug("no");
    log.info("no");
    log.warn("yes");
    log.error("yes");
    expect(lines.map(({ level }) => level)).toEqual(["warn", "error"]);
  });

  test("for people it is one readable line", () => {
    const { log, text } = recordingLog({ pretty: true, fields: { cluster: "c", node: "mysql-1" } });
    log.moment({ role: "replica", epoch: 7, tick: 1 });
    log.info("promote", { why: "the primary died", ms: 12.3, action: "promote" });
    // eslint-disable-next-line no-control-regex
    const plain = text().replaceAll(/\u001b\[\d+m/g, "");
    expect(plain).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} mysql-1 replica e7 · promote \(12 ms\) the primary died\n$/,
    );
  });
});
