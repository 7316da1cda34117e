// The lifeline: a child that dies with its parent, by util-linux's `setpriv --pdeathsig`, which then execs the program:
// the pid stays the child's. The kernel ties it to the parent *thread*, so such children are spawned from the main
// thread only, and clears it on a later setuid, so users are changed by setpriv itself.
import { execFile } from "node:child_process";
import { isMainThread } from "node:worker_threads";
import { invariant } from "../errors.ts";

export type Lifeline = {
  /** What the child gets when its parent is gone. */
  readonly signal: "KILL" | "TERM";
  /** Runs the program as this user and group (numbers), with that user's groups. */
  readonly user?: User;
};

export type User = {
  readonly uid: number;
  readonly gid: number;
  /** It is not in the machine's list of users, which has no groups for it then. */
  readonly isUnknown?: true;
};

let usable: Promise<boolean> | null = null;

/** Whether this machine's setpriv can tie a child to its parent. Asked once; busybox's setpriv cannot. */
export function hasLifeline(): Promise<boolean> {
  usable ??= new Promise((resolve) => {
    if (process.platform !== "linux") return resolve(false);
    execFile("setpriv", ["--pdeathsig", "KILL", "--", "true"], (error) => resolve(error === null));
  });
  return usable;
}

/** Puts `argv` below setpriv; where there is none, returns it as it is. */
export async function withLifeline(
  argv: readonly string[],
  line: Lifeline,
): Promise<readonly string[]> {
  invariant(isMainThread, "AP_BUG_INVARIANT", "a child was started from a worker thread");
  if (!(await hasLifeline())) return argv;
  const { user } = line;
  const as =
    user === undefined
      ? []
      : [
          `--reuid=${user.uid}`,
          `--regid=${user.gid}`,
          user.isUnknown === true ? "--clear-groups" : "--init-groups",
        ];
  return ["setpriv", ...as, "--pdeathsig", line.signal, "--", ...argv];
}
