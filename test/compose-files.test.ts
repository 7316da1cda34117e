// What users type with `docker compose`, judged without Docker: Compose itself reads every file, and every file, argument
// and variable that one of them names is there. Each rule is also tried on a made-up project that breaks it.
import { execFile } from "node:child_process";
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findTool } from "../src/local/toolchain.ts";
import { composeSpec } from "./compose/docker.ts";
import { ROOT } from "./source.ts";

const run = promisify(execFile);

type Service = {
  readonly build?: {
    readonly context: string;
    readonly dockerfile: string;
    readonly args?: Readonly<Record<string, string>>;
  };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: object;
  readonly volumes?: readonly { readonly type: string; readonly source?: string }[];
};
type Project = { readonly services: Readonly<Record<string, Service>> };

async function findCompose(): Promise<
  { readonly argv: readonly string[] } | { readonly why: string }
> {
  try {
    const tool = await findTool(composeSpec, { progress: (line) => console.warn(line) });
    return { argv: tool.command("docker-compose") };
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error) };
  }
}

/** As Compose understands it, with every default. Throws with what it said. */
async function projectOf(argv: readonly string[], file: string): Promise<Project> {
  const [program = "", ...first] = argv;
  const own = ["--env-file", "/dev/null", "--profile", "*", "config", "--format", "json"];
  const env = { PATH: process.env["PATH"], HOME: process.env["HOME"] };
  const { stdout } = await run(program, [...first, "-f", file, ...own], { env });
  return JSON.parse(stdout) as Project;
}

/** What a project names that is not there, or not so. */
function problemsOf({ services }: Project): readonly string[] {
  return Object.entries(services).flatMap(([name, service]) => [
    ...(service.volumes ?? [])
      .filter(({ type, source = "" }) => type === "bind" && !existsSync(source))
      .map(({ source }) => `${name}: mounts ${source}, which does not exist`),
    ...Object.entries(service.depends_on ?? {})
      .filter(([other, { condition }]) => {
        return condition === "service_healthy" && services[other]?.healthcheck === undefined;
      })
      .map(([other]) => `${name}: waits for the health of ${other}, which has no check`),
    ...(service.build === undefined ? [] : problemsOfBuild(name, service.build)),
  ]);
}

function problemsOfBuild(
  name: string,
  { context, dockerfile, args = {} }: NonNullable<Service["build"]>,
): readonly string[] {
  const path = join(context, dockerfile);
  if (!existsSync(path)) return [`${name}: no ${dockerfile} in its context`];
  const text = readFileSync(path, "utf8").replaceAll(/^#.*$/gm, "").replaceAll("\\\n", " ");
  const declared = new Map(
    [...text.matchAll(/^ARG (\w+)(?:=(\S*))?$/gm)].map(([, arg = "", value]) => [arg, value]),
  );
  const unknown = Object.keys(args).filter((arg) => !declared.has(arg));
  const filled = text.replaceAll(/\$\{(\w+)\}/g, (whole, arg: string) => {
    return args[arg] ?? declared.get(arg) ?? whole;
  });
  return [
    ...unknown.map((arg) => `${name}: ${dockerfile} has no ARG ${arg}`),
    ...[...namedIn(filled)]
      .filter((file) => !existsSync(join(context, file)) || isIgnored(context, file))
      .map((file) => `${name}: ${dockerfile} takes ${file}, which does not exist or is ignored`),
  ];
}

/** The files of the context: sources of COPY, words that are paths of ours, and where the package lies in the image. */
function namedIn(dockerfile: string): ReadonlySet<string> {
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, files = ""]) =>
    files.split(/\s+/),
  );
  const words = dockerfile.split(/[\s"',]+/);
  const ours = words.filter((word) => /^(?:src|recipes|images)\/[\w./-]+$/.test(word));
  const installed = words.flatMap(
    (word) => /^\/opt\/autopilot\/(src\/[\w/-]+)\.[jt]s$/.exec(word)?.[1]?.concat(".ts") ?? [],
  );
  return new Set([...copied, ...ours, ...installed]);
}

/** The last line of .dockerignore that speaks of it decides. */
function isIgnored(context: string, file: string): boolean {
  const path = join(context, ".dockerignore");
  if (file === "." || !existsSync(path)) return false;
  const lines = readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "");
  const last = lines.findLast((line) => {
    const pattern = line.replace(/^!/, "");
    return pattern === "*" || file === pattern || file.startsWith(`${pattern}/`);
  });
  return last !== undefined && !last.startsWith("!");
}

/** NAME → default, of what a compose file takes from the environment. */
const variablesOf = (compose: string): ReadonlyMap<string, string> =>
  new Map(
    [...compose.matchAll(/\$\{(\w+):-([^}]*)\}/g)].map(([, name = "", value = ""]) => [
      name,
      value,
    ]),
  );

const listedIn = (example: string): ReadonlyMap<string, string> =>
  new Map(
    [...example.matchAll(/^#(\w+)=(.*)$/gm)].map(([, name = "", value = ""]) => [name, value]),
  );

const files = globSync(
  ["*compose*.y*ml", "recipes/**/*compose*.y*ml", "images/**/*compose*.y*ml"],
  {
    cwd: ROOT,
  },
);
const found = await findCompose();
if ("why" in found) console.error(`SKIPPED, loudly: reading the compose files: ${found.why}`);
const argv = "argv" in found ? found.argv : [];

describe.skipIf("why" in found)("the compose files", () => {
  test("are found", () => {
    expect(files.toSorted()).toEqual([
      "docker-compose.yml",
      "recipes/nginx/compose.yaml",
      "recipes/workshop/compose.yaml",
    ]);
  });

  for (const file of files)
    test(`${file} is understood, and what it names is there`, async () => {
      expect(problemsOf(await projectOf(argv, join(ROOT, file)))).toEqual([]);
    });
});

test(".env.example lists the variables of docker-compose.yml, with their defaults", () => {
  const compose = readFileSync(join(ROOT, "docker-compose.yml"), "utf8");
  const example = readFileSync(join(ROOT, ".env.example"), "utf8");
  expect(Object.fromEntries(listedIn(example))).toEqual(Object.fromEntries(variablesOf(compose)));
  expect(compose.match(/\$\{(?!\w+:-)[^}]*\}/g)).toBeNull();
});

describe.skipIf("why" in found)("the check of compose files (it can fail)", () => {
  let dir = "";
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "autopilot-compose-files-"));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  /** One service `it` of an own project with these files. */
  async function wrong(service: string, more: Readonly<Record<string, string>> = {}) {
    const place = mkdtempSync(join(dir, "project-"));
    for (const [name, text] of Object.entries({
      "compose.yaml": `services:\n  it: ${service}\n  other: { image: x }\n`,
      ...more,
    })) {
      mkdirSync(dirname(join(place, name)), { recursive: true });
      writeFileSync(join(place, name), text);
    }
    const problems = problemsOf(await projectOf(argv, join(place, "compose.yaml")));
    return problems.map((one) => one.replaceAll(`${place}/`, ""));
  }

  test("Compose's own refusal is told", async () => {
    await expect(wrong("{ image: x, prots: [1] }")).rejects.toThrow(/prots/);
  });

  test("finds mounts, checks and Dockerfiles that are not there", async () => {
    expect(await wrong(`{ image: x, volumes: ["./gone:/a"] }`)).toEqual([
      "it: mounts gone, which does not exist",
    ]);
    expect(
      await wrong(`{ image: x, depends_on: { other: { condition: service_healthy } } }`),
    ).toEqual(["it: waits for the health of other, which has no check"]);
    expect(await wrong("{ build: . }")).toEqual(["it: no Dockerfile in its context"]);
  });

  test("finds what a Dockerfile takes that is not there, or ignored, or no argument of its", async () => {
    const build = "{ build: { context: ., args: { APP: a, NOPE: 1 } } }";
    const Dockerfile = [
      "ARG APP=b",
      "FROM scratch",
      "COPY package.json gone.json ./",
      "COPY --from=build /out /",
      "RUN cp src/${APP}.json5 \\",
      "  /etc",
      `ENTRYPOINT ["/opt/autopilot/src/b.js"]`,
    ].join("\n");
    const here = { Dockerfile, "package.json": "{}", "src/a.json5": "", "src/b.ts": "" };
    expect(await wrong(build, here)).toEqual([
      "it: Dockerfile has no ARG NOPE",
      "it: Dockerfile takes gone.json, which does not exist or is ignored",
    ]);
    const ignored = await wrong("{ build: . }", { ...here, ".dockerignore": "*\n!package.json\n" });
    expect(ignored).toEqual(
      ["gone.json", "src/b.json5", "src/b.ts"].map(
        (file) => `it: Dockerfile takes ${file}, which does not exist or is ignored`,
      ),
    );
  });
});
