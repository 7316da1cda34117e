// xtrabackup --prepare and --move-back: no redo log is applied, the server does that when it is started; but every rule about
// what may follow what is the real one's.
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { die, fault, say } from "./record.ts";

type Options = ReadonlyMap<string, string>;

export function prepare(options: Options): void {
  const base = options.get("target-dir") ?? "";
  const increment = options.get("incremental-dir");
  if (!/^\d+M$/.test(options.get("use-memory") ?? ""))
    die(1, "the stand-in wants to be told how much memory");
  if (fault() === "prepare-fails") die(1, "InnoDB: Assertion failure: log0recv.cc:2181");
  if (!existsSync(join(base, "backup-my.cnf"))) die(1, `cannot open ${base}/backup-my.cnf`);
  const own = checkpoints(base);
  if (own.type === "full-prepared") die(1, "This target seems to be already prepared.");
  if (increment === undefined) {
    if (own.type !== "full-backuped")
      die(1, `This target seems not to have correct metadata: ${own.type}`);
  } else {
    if (own.type !== "log-applied")
      die(1, "This target seems to be not prepared with --apply-log-only");
    apply(base, own.to, increment);
  }
  const to = increment === undefined ? own.to : checkpoints(increment).to;
  const type = options.has("apply-log-only") ? "log-applied" : "full-prepared";
  writeFileSync(
    join(base, "xtrabackup_checkpoints"),
    `backup_type = ${type}\nfrom_lsn = 0\nto_lsn = ${to}\n`,
  );
  if (increment !== undefined)
    writeFileSync(
      join(increment, "xtrabackup_checkpoints"),
      "backup_type = applied\nfrom_lsn = 0\nto_lsn = 0\n",
    );
  say("Note", "completed OK!");
}

function apply(base: string, end: string, increment: string): void {
  const next = checkpoints(increment);
  if (next.type !== "incremental" || next.from !== end)
    die(
      1,
      "This incremental backup seems not to be proper for the target. Check 'to_lsn' of the target and 'from_lsn' of the incremental.",
    );
  // These deltas hold whole files, so what they do not name was dropped.
  for (const name of filesIn(base)) if (!OWN.test(name)) rmSync(join(base, name));
  for (const name of filesIn(increment)) {
    if (OWN.test(name) || name.endsWith(".meta")) continue;
    const to = join(base, name.replace(/\.delta$/, ""));
    mkdirSync(dirname(to), { recursive: true });
    renameSync(join(increment, name), to);
  }
}

export function moveBack(options: Options): void {
  if (process.argv[2] !== "--no-defaults") die(1, "the stand-in would read the machine's my.cnf");
  const [from, to] = [options.get("target-dir") ?? "", options.get("datadir") ?? ""];
  if (checkpoints(from).type !== "full-prepared")
    die(1, "The target is not fully prepared. Please prepare it without option --apply-log-only");
  if (readdirSync(to).length > 0 && !options.has("force-non-empty-directories"))
    die(1, `Original data directory ${to} is not empty!`);
  for (const name of filesIn(from)) {
    if (OWN.test(name) && name !== "xtrabackup_info") continue;
    mkdirSync(dirname(join(to, name)), { recursive: true });
    if (existsSync(join(to, name))) die(1, `file ${name} exists`);
    renameSync(join(from, name), join(to, name));
  }
  say("Note", "completed OK!");
}

const OWN = /^(?:xtrabackup_\w+|backup-my\.cnf)$/;

function filesIn(dir: string): readonly string[] {
  const names = readdirSync(dir, { recursive: true }) as string[];
  return names.filter((name) => statSync(join(dir, name)).isFile());
}

function checkpoints(dir: string): {
  readonly type: string;
  readonly from: string;
  readonly to: string;
} {
  const text = readFileSync(join(dir, "xtrabackup_checkpoints"), "utf8");
  const value = (key: string): string => new RegExp(`^${key} = (.*)$`, "m").exec(text)?.[1] ?? "";
  return { type: value("backup_type"), from: value("from_lsn"), to: value("to_lsn") };
}
