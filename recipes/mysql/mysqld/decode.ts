// A binary log as text, by MySQL's own mysqlbinlog: it also proves that the log can be read at all.
import { open, stat } from "node:fs/promises";
import { messageOf, type Supervise, type Tool } from "../../../src/index.ts";

const LOOK_EVERY_MS = 100;

type Limits = {
  readonly signal: AbortSignal;
  readonly late: () => boolean;
  readonly bytes: number;
};

/** Durable, mode 0600. Returns why it is not whole, or null. Errors: those of the disk; the signal's reason. */
export async function decode(
  parts: { readonly tool: Tool; readonly spawn: Supervise },
  files: { readonly from: string; readonly to: string },
  limits: Limits,
): Promise<string | null> {
  await using text = await open(files.to, "wx", 0o600);
  const argv = command(parts.tool);
  if (typeof argv === "string") return argv;
  await using child = parts.spawn({ name: "mysqlbinlog" });
  const args = ["--no-defaults", "--verify-binlog-checksum", "--base64-output=decode-rows", "-vv"];
  const started = await child.start({
    argv: [...argv, ...args, files.from],
    output: { file: files.to },
  });
  if (!started.ok) return messageOf(started.error);
  const ended = child.exited();
  let why: string | null = null;
  while (child.facts().running) {
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))]);
    limits.signal.throwIfAborted();
    if ((await stat(files.to)).size > limits.bytes) why = `it would be over ${limits.bytes} bytes`;
    else if (limits.late()) why = "it took too long";
    else continue;
    child.kill();
  }
  const end = await ended;
  await text.sync();
  return why ?? (end?.code === 0 ? null : `mysqlbinlog: ${end?.says ?? "ended"}`);
}

/** The start of its argv, or why there is none. */
function command(tool: Tool): readonly string[] | string {
  try {
    return tool.command("mysqlbinlog");
  } catch (error) {
    return messageOf(error);
  }
}
