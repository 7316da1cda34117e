import { expect, test } from "vitest";
import { hostPort } from "../../src/core/host-port.ts";

test("an IPv6 address stands in brackets, a name or an IPv4 address does not", () => {
  expect(hostPort("fd00::1", 3306)).toBe("[fd00::1]:3306");
  expect(hostPort("10.0.0.5", 3306)).toBe("10.0.0.5:3306");
  expect(hostPort("mysql-1", 3306)).toBe("mysql-1:3306");
});
