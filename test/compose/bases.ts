// The base images of the compose suite, made of Debian packages under names of their own: there is no registry to pull
// the official ones from here. Docker's build cache makes a second run a matter of a second.
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { consulSpec } from "../../src/local/toolchain/consul.ts";
import { findTool } from "../../src/local/toolchain.ts";
import { docker } from "./docker.ts";

const HERE = import.meta.dirname;
const ROOT_IMAGE = "autopilot-test/debootstrap:sid";
const DEBIAN_IMAGE = "autopilot-test/debian:sid";

/** The variables of docker-compose.yml and of images/mysql/Dockerfile, and what they are here. */
export const IMAGES = {
  AUTOPILOT_IMAGE: "autopilot-test/autopilot-mysql",
  BASE_IMAGE: "autopilot-test/mysql:9.7",
  // Debian carries no XtraBackup: the image then has none, and backups are made by CLONE.
  XTRABACKUP_IMAGE: DEBIAN_IMAGE,
  NODE_IMAGE: "autopilot-test/node:24",
  CONSUL_IMAGE: "autopilot-test/consul:1.8.7",
} as const;

/** Makes what is missing, and the image under test from the working tree. */
export async function makeImages(): Promise<void> {
  await makeRoot();
  await build("debian", DEBIAN_IMAGE, { ROOT_IMAGE });
  await build("mysql", IMAGES.BASE_IMAGE, { DEBIAN_IMAGE });
  await build("node", IMAGES.NODE_IMAGE, { DEBIAN_IMAGE }, (dir) => {
    cpSync(realpathSync(process.execPath), join(dir, "node"));
    cpSync(npmFolder(), join(dir, "npm"), { recursive: true });
    cpSync(authorities(), join(dir, "authorities.crt"));
  });
  const consul = await findTool(consulSpec, { env: process.env, progress: console.error });
  await build("consul", IMAGES.CONSUL_IMAGE, { DEBIAN_IMAGE }, (dir) =>
    cpSync(consul.command("consul").at(-1) ?? "", join(dir, "consul")),
  );
  const { BASE_IMAGE, XTRABACKUP_IMAGE, NODE_IMAGE, AUTOPILOT_IMAGE } = IMAGES;
  const args = { BASE_IMAGE, XTRABACKUP_IMAGE, NODE_IMAGE };
  const root = join(HERE, "../..");
  await docker(...buildArgs(join(root, "images/mysql/Dockerfile"), AUTOPILOT_IMAGE, args), root);
}

/** A minimal Debian; packages change underneath, so that an old one would only be slower to bring up to date. */
async function makeRoot(): Promise<void> {
  if ((await docker("images", "-q", ROOT_IMAGE)) !== "") return;
  const dir = mkdtempSync(join(tmpdir(), "autopilot-debootstrap-"));
  try {
    const root = join(dir, "root");
    quietly("debootstrap", "--variant=minbase", "sid", root, mirror());
    quietly("tar", "-C", root, "-cf", join(dir, "root.tar"), ".");
    await docker("import", join(dir, "root.tar"), ROOT_IMAGE);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Only what goes wrong is worth a word. */
function quietly(file: string, ...argv: readonly string[]): void {
  execFileSync(file, argv, { stdio: ["ignore", "ignore", "inherit"] });
}

async function build(
  name: string,
  image: string,
  args: Readonly<Record<string, string>>,
  fill: (dir: string) => void = () => {},
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "autopilot-context-"));
  try {
    fill(dir);
    await docker(...buildArgs(join(HERE, "bases", `${name}.Dockerfile`), image, args), dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The host's network: its mirrors may be reachable from nowhere else. */
function buildArgs(
  file: string,
  image: string,
  args: Readonly<Record<string, string>>,
): readonly string[] {
  const given = Object.entries(args).flatMap(([key, value]) => ["--build-arg", `${key}=${value}`]);
  return ["build", "--quiet", "--network", "host", "--file", file, "--tag", image, ...given];
}

/** The mirror that this machine's own apt uses. */
function mirror(): string {
  const files = ["/etc/apt/sources.list", ...sourcesBelow("/etc/apt/sources.list.d")];
  const text = files.filter((file) => existsSync(file)).map((file) => readFileSync(file, "utf8"));
  const found = /^(?:URIs:\s*|deb\s+(?:\[[^\]]*\]\s+)?)(https?:\/\/\S+\/debian)\/?\s*/m.exec(
    text.join("\n"),
  );
  if (found?.[1] === undefined) throw new Error("no Debian mirror among the sources of apt");
  return found[1];
}

function sourcesBelow(dir: string): readonly string[] {
  return existsSync(dir) ? readdirSync(dir).map((file) => join(dir, file)) : [];
}

/** npm itself runs on the machine's Node; in the image on ours. */
function npmFolder(): string {
  const npm = execFileSync("sh", ["-c", "command -v npm"], { encoding: "utf8" }).trim();
  return dirname(dirname(realpathSync(npm)));
}

function authorities(): string {
  return process.env["NODE_EXTRA_CA_CERTS"] ?? "/etc/ssl/certs/ca-certificates.crt";
}
