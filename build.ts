// `npm run build`: the package as it is published and as images carry it, whole below dist/. Node refuses TypeScript below
// node_modules, so it is JavaScript; everything else is what the checkout runs.
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";

type Package = {
  readonly bin: Readonly<Record<string, string>>;
  readonly engines: Readonly<Record<string, string>>;
  readonly [key: string]: unknown;
};

/** What a package says of itself; scripts and what only developers need stay here. */
const KEPT = ["name", "version", "description", "license", "type", "dependencies", "engines"];

rmSync("dist", { recursive: true, force: true });
execFileSync("tsc", ["-p", "tsconfig.build.json"], { stdio: "inherit" });
const source = JSON.parse(readFileSync("package.json", "utf8")) as Package;
const bin = Object.fromEntries(
  Object.entries(source.bin).map(([name, file]) => [name, file.replace(/\.ts$/, ".js")]),
);
const kept = Object.fromEntries(KEPT.map((key) => [key, source[key]]));
writeFileSync("dist/package.json", `${JSON.stringify({ ...kept, bin }, null, 2)}\n`);
for (const file of Object.values(bin)) chmodSync(`dist/${file}`, 0o755);
for (const file of ["README.md", "LICENSE", "CHANGELOG.md"]) cpSync(file, `dist/${file}`);
