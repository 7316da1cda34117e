// The option file through which the engines get a login: mode 0600, private to one run, and the first argument, since they
// take it nowhere else. A password in argv would be in everybody's ps until they mask it.
import { writeFile } from "node:fs/promises";
import type { Target } from "../../mysqld/connection.ts";

export async function writeDefaultsFile(path: string, login: Target): Promise<void> {
  const where =
    "socket" in login
      ? [`socket=${quoted(login.socket)}`]
      : [`host=${quoted(login.host)}`, `port=${login.port}`, "protocol=TCP"];
  const lines = ["[client]", ...where, `user=${quoted(login.user)}`];
  const text = [...lines, `password=${quoted(login.password)}`, ""].join("\n");
  await writeFile(path, text, { mode: 0o600, flag: "wx" });
}

/** Option files strip one pair of quotes, and know \\, \" and a few letters after a backslash; # is text in quotes. */
function quoted(value: string): string {
  return `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}
