// Which versions of the real tools are taken.
import { expect, test } from "vitest";
import { mysqlSpec } from "../../recipes/mysql/mysqld/tool.ts";
import { mariadbBackupSpec, xtrabackupSpec } from "../../recipes/mysql/backup/engines/tools.ts";
import { consulSpec } from "../../src/local/toolchain/consul.ts";

test.each([
  ["mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))", "9.7.4"],
  ["/usr/sbin/mysqld  Ver 8.0.26 for Linux on x86_64 (MySQL Community Server - GPL)", "8.0.26"],
  ["mysqld  Ver 8.4.0-1 for Linux on aarch64 (Percona Server (GPL), Release 1)", "8.4.0"],
])("MySQL takes %j", (output, version) => {
  expect(mysqlSpec.accept(output)).toEqual({ ok: true, version });
});

test.each([
  ["mysqld  Ver 10.11.6-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64", "MariaDB"],
  ["mysqld  Ver 8.0.25 for Linux on x86_64", "older than 8.0.26"],
  ["mysqld  Ver 5.7.44 for Linux on x86_64", "older than 8.0.26"],
  ["something else", "does not say that it is MySQL"],
])("MySQL refuses %j", (output, why) => {
  expect(mysqlSpec.accept(output)).toEqual({ ok: false, why: expect.stringContaining(why) });
});

test.each([
  ["Consul v1.8.7\nProtocol 2 spoken by default", "1.8.7"],
  ["Consul v1.20.1+ent\nRevision 1", "1.20.1+ent"],
  ["Consul v2.0.0", "2.0.0"],
])("Consul takes %j", (output, version) => {
  expect(consulSpec.accept(output)).toEqual({ ok: true, version });
});

test.each([
  ["Consul v1.7.14", "older than 1.8"],
  ["something else", "does not say that it is Consul"],
])("Consul refuses %j", (output, why) => {
  expect(consulSpec.accept(output)).toEqual({ ok: false, why: expect.stringContaining(why) });
});

test.each([
  ["xtrabackup version 8.4.0-7 based on MySQL server 8.4.0 Linux (x86_64)", "8.4.0-7"],
  [
    "2026-11-20T10:00:00 0 [Note] recognized server arguments: \nxtrabackup version 8.0.35-36 based on MySQL server 8.0.35",
    "8.0.35-36",
  ],
])("XtraBackup takes %j", (output, version) => {
  expect(xtrabackupSpec.accept(output)).toEqual({ ok: true, version });
});

test("mariadb-backup says the version of the server that it is of", () => {
  const output =
    "mariadb-backup based on MariaDB server 10.11.18-MariaDB debian-linux-gnu (x86_64)";
  expect(mariadbBackupSpec.accept(output)).toEqual({ ok: true, version: "10.11.18" });
  const why = "it does not say that it is XtraBackup";
  expect(xtrabackupSpec.accept(output)).toEqual({ ok: false, why });
});
