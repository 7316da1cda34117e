// A real Ceph object store as plain processes on loopback: one monitor, one OSD on a sparse file, one gateway. No manager:
// nothing that S3 needs asks it. Only the processes that were started here are ever signalled.
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { findTool, type Tool } from "../../src/local/toolchain.ts";
import { cephSpec } from "./ceph-tool.ts";
import { until } from "./until.ts";
import { freePorts } from "./free-ports.ts";

export const CEPH_KEYS = { accessKeyId: "AKCEPH", secretAccessKey: "ceph-secret-of-the-tests" };

export interface CephUnderTest extends AsyncDisposable {
  readonly url: string;
}

/** The tool, or why it is not there: half a gigabyte is fetched only for whoever asks for it. */
export async function findCeph(): Promise<{ readonly tool: Tool } | { readonly why: string }> {
  if (!process.env["AUTOPILOT_TEST_RGW"])
    return { why: "not asked for: set AUTOPILOT_TEST_RGW=1 (fetches 150 MB once, starts in 20 s)" };
  try {
    return { tool: await findTool(cephSpec, { progress: (line) => console.warn(line) }) };
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error) };
  }
}

export async function startCeph(tool: Tool, bucket: string): Promise<CephUnderTest> {
  const dir = await mkdtemp(join(tmpdir(), "autopilot-ceph-"));
  const [monitor = 0, gateway = 0] = await freePorts(2);
  const cluster = { tool, dir, fsid: randomUUID(), monitor, gateway };
  const running: ChildProcess[] = [];
  const stop = async (): Promise<void> => {
    for (const child of running.toReversed()) await end(child);
    await rm(dir, { recursive: true });
  };
  try {
    await writeFile(join(dir, "ceph.conf"), configuration(cluster));
    for (const name of ["mon", "osd", "run"]) await mkdir(join(dir, name));
    await startDaemons(cluster, running);
    const url = `http://127.0.0.1:${gateway}`;
    await until(`the gateway at ${url} answers`, async () => (await fetch(url)).ok);
    const options = { endpoint: url, region: "us-east-1", forcePathStyle: true };
    const client = new S3Client({ ...options, credentials: CEPH_KEYS });
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    client.destroy();
    return { url, [Symbol.asyncDispose]: stop };
  } catch (error) {
    const logs = await Promise.all(
      ["mon", "osd", "rgw"].map((name) =>
        readFile(join(dir, `${name}.out`), "utf8").catch(() => ""),
      ),
    );
    await stop();
    throw new Error(`Ceph did not start: ${logs.join("\n").slice(-3000)}`, { cause: error });
  }
}

type Cluster = {
  readonly tool: Tool;
  readonly dir: string;
  readonly fsid: string;
  readonly monitor: number;
  readonly gateway: number;
};

function configuration({ tool, dir, fsid, monitor, gateway }: Cluster): string {
  const settings: Record<string, string | number | boolean> = {
    fsid,
    mon_initial_members: "a",
    mon_host: `[v2:127.0.0.1:${monitor}]`,
    public_addr: "127.0.0.1",
    cluster_addr: "127.0.0.1",
    keyring: join(dir, "keyring"),
    run_dir: join(dir, "run"),
    admin_socket: join(dir, "run", "$name.asok"),
    log_file: join(dir, "$name.log"),
    crash_dir: dir,
    mon_data: join(dir, "mon"),
    osd_data: join(dir, "osd"),
    rgw_data: join(dir, "rgw"),
    // One copy of everything on one sparse file, in the least memory that an OSD takes.
    osd_pool_default_size: 1,
    osd_pool_default_min_size: 1,
    mon_allow_pool_size_one: true,
    osd_pool_default_pg_num: 4,
    osd_pool_default_pg_autoscale_mode: "off",
    osd_crush_chooseleaf_type: 0,
    bluestore_block_size: 10 * 1024 ** 3,
    osd_memory_target: 896 * 1024 ** 2,
    // The machine's disk may be as full as it likes.
    mon_data_avail_crit: 1,
    // Without it each answer waits 40 ms for the client's delayed acknowledgement.
    rgw_frontends: `beast endpoint=127.0.0.1:${gateway} tcp_nodelay=1`,
  };
  if (tool.prefix !== null) {
    const libraries = join(
      tool.prefix,
      "usr/lib",
      tool
        .command("radosgw")
        .join(" ")
        .match(/[^/]+-linux-gnu/)?.[0] ?? "",
    );
    settings["plugin_dir"] = join(libraries, "ceph");
    settings["erasure_code_dir"] = join(libraries, "ceph", "erasure-code");
    settings["osd_class_dir"] = join(libraries, "rados-classes");
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
  return `[global]\n${lines.join("\n")}\n`;
}

async function startDaemons(cluster: Cluster, running: ChildProcess[]): Promise<void> {
  const { dir, fsid, monitor } = cluster;
  const osd = randomUUID();
  const keyring = join(dir, "keyring");
  const all = ["--cap", "mon", "allow *", "--cap", "osd", "allow *"];
  run(cluster, "ceph-authtool", ["--create-keyring", keyring, "-n", "mon.", "--gen-key", ...all]);
  run(cluster, "ceph-authtool", [keyring, "-n", "client.admin", "--gen-key", ...all]);
  const disk = ["--cap", "mon", "allow profile osd", "--cap", "osd", "allow *"];
  run(cluster, "ceph-authtool", [keyring, "-n", "osd.0", "--gen-key", ...disk]);
  const map = join(dir, "monmap");
  const at = `[v2:127.0.0.1:${monitor}]`;
  run(cluster, "monmaptool", ["--create", "--fsid", fsid, "--addv", "a", at, map]);
  const conf = ["-c", join(dir, "ceph.conf")];
  run(cluster, "ceph-mon", [...conf, "-i", "a", "--mkfs", "--monmap", map, "--keyring", keyring]);
  running.push(daemon(cluster, "mon", "ceph-mon", [...conf, "-i", "a", "-f"]));
  ceph(cluster, [...conf, "osd", "new", osd]);
  run(cluster, "ceph-osd", [...conf, "-i", "0", "--mkfs", "--osd-uuid", osd]);
  running.push(daemon(cluster, "osd", "ceph-osd", [...conf, "-i", "0", "-f"]));
  const { accessKeyId, secretAccessKey } = CEPH_KEYS;
  const user = ["--uid=tests", "--display-name=tests"];
  const keys = [`--access-key=${accessKeyId}`, `--secret=${secretAccessKey}`];
  run(cluster, "radosgw-admin", [...conf, "user", "create", ...user, ...keys]);
  running.push(daemon(cluster, "rgw", "radosgw", [...conf, "-n", "client.admin", "-f"]));
}

/** Ends with the test's process, however that ends. */
function daemon(
  { tool, dir }: Cluster,
  name: string,
  program: string,
  args: readonly string[],
): ChildProcess {
  const argv = ["--pdeathsig", "KILL", ...tool.command(program), ...args];
  const child = spawn("setpriv", argv, { stdio: ["ignore", "pipe", "pipe"] });
  const log = createWriteStream(join(dir, `${name}.out`));
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  child.once("close", () => log.end());
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

/** A step that takes seconds on a busy machine, and has to end well. */
function run({ tool }: Cluster, program: string, args: readonly string[], env = {}): void {
  const [first = "", ...rest] = tool.command(program);
  const options = { encoding: "utf8", timeout: 120_000, env: { ...process.env, ...env } } as const;
  const { status, stderr } = spawnSync(first, [...rest, ...args], options);
  if (status !== 0) throw new Error(`${program} ${args[0]}: ${status}: ${stderr.slice(-1000)}`);
}

/** The monitor's command line is a script of the prefix's own Python. */
function ceph(cluster: Cluster, args: readonly string[]): void {
  const { prefix } = cluster.tool;
  if (prefix === null) return run(cluster, "ceph", args);
  const env = {
    PYTHONHOME: join(prefix, "usr"),
    PYTHONPATH: join(prefix, "usr/lib/python3/dist-packages"),
  };
  run(cluster, "python3", [join(prefix, "usr/bin/ceph"), ...args], env);
}
