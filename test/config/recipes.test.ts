// The configurations that lie in recipes/ are ones that the loader takes, as they are and with every variable set.
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ROOT } from "../source.ts";
import { load } from "./runner.ts";

const FILES = globSync("recipes/*/*.json5", { cwd: ROOT }).toSorted();

const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");

describe("the recipes' configurations", () => {
  test("are there", () => {
    expect(FILES).toEqual([
      "recipes/nginx/containerpilot.json5",
      "recipes/workshop/customers.json5",
      "recipes/workshop/sales.json5",
    ]);
  });

  test.each(FILES)("%s is taken without a warning", (file) => {
    const { dialect, warnings, config } = load(read(file));
    expect([dialect, warnings]).toEqual(["v3", []]);
    expect(config.catalogue).toMatchObject({ kind: "consul", address: "consul:8500" });
    // The containers run as somebody else than root.
    expect(config.control?.socket).toMatch(/^\/run\/(nginx|workshop)\//);
    expect(config.jobs.filter(({ service }) => service !== null)).toHaveLength(1);
  });

  test.each(FILES)("%s takes its place and its catalogue from the environment", (file) => {
    const env = { CONSUL_HTTP_ADDR: "127.0.0.1:18500", PORT: "4711", NGINX_PORT: "4711" };
    const places = {
      NGINX_PREFIX: "/x",
      NGINX_TEMPLATE: "/x/t",
      WORKSHOP: "/x",
      UPSTREAMS: "/x/u",
      CONTROL_SOCKET: "/x/containerpilot.socket",
    };
    const { config } = load(read(file), { env: { ...env, ...places } });
    expect(config.catalogue).toMatchObject({ address: "127.0.0.1:18500" });
    expect(config.jobs.map(({ service }) => service?.port ?? 4711)).toEqual(
      config.jobs.map(() => 4711),
    );
    expect(config.control).toEqual({ socket: "/x/containerpilot.socket" });
    const text = JSON.stringify(config.jobs);
    for (const fixed of ["consul:8500", "/opt/", "/run/", "/etc/"])
      expect(text).not.toContain(fixed);
  });
});

describe("the recipes' containers", () => {
  const composes = globSync("recipes/{nginx,workshop}/compose.yaml", { cwd: ROOT });
  const dockerfiles = globSync("images/{nginx,workshop}/Dockerfile", { cwd: ROOT });

  test("are built from files that are there", () => {
    expect([composes.length, dockerfiles.length]).toEqual([2, 2]);
    const named = composes.flatMap((file) => [...read(file).matchAll(/dockerfile: (\S+)/g)]);
    expect(new Set(named.map(([, path = ""]) => path))).toEqual(new Set(dockerfiles));
    for (const file of dockerfiles) {
      const copied = [...read(file).matchAll(/^COPY (.+) \S+$/gm)].flatMap(([, from = ""]) =>
        from.split(" "),
      );
      expect(copied.length).toBeGreaterThan(3);
      for (const path of copied) expect(existsSync(join(ROOT, path))).toBe(true);
    }
  });
});
