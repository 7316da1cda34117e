// Where things are below a node's directory. Nothing here touches the disk.
//   data/       the datadir: complete whenever it exists
//   data.half*  made by a run that did not finish: never used, deleted by the next one
//   aside/      datadirs that were set aside, the newest few (config keepAside)
//   errant/     transactions of theirs that the primary lacked, extracted: deleted by people only
//   my.cnf, mysqld.log, mysqld.pid, mysqld.sock; node.json, bootstrap, promise.json (datadir.ts)
import { join } from "node:path";

export type Layout = {
  readonly dir: string;
  readonly data: string;
  readonly aside: string;
  readonly errant: string;
  readonly myCnf: string;
  readonly errorLog: string;
  readonly pidFile: string;
  /** As mysqld gets it: relative to the datadir where the absolute path would be too long. */
  readonly socket: string;
  readonly node: string;
  readonly bootstrap: string;
  readonly promise: string;
};

// sun_path holds 108 bytes with its NUL; mysqld refuses a longer --socket, and also makes `<socket>.lock`.
const SOCKET_PATH_BYTES = 107;

/** `dir`: absolute path of the node's directory. */
export function layout(dir: string): Layout {
  const socket = join(dir, "mysqld.sock");
  return {
    dir,
    data: join(dir, "data"),
    aside: join(dir, "aside"),
    errant: join(dir, "errant"),
    myCnf: join(dir, "my.cnf"),
    errorLog: join(dir, "mysqld.log"),
    pidFile: join(dir, "mysqld.pid"),
    socket: Buffer.byteLength(socket) <= SOCKET_PATH_BYTES ? socket : "mysqld.sock",
    node: join(dir, "node.json"),
    bootstrap: join(dir, "bootstrap"),
    promise: join(dir, "promise.json"),
  };
}

/** Of a datadir that is set aside, and of its evidence: names sort by time. `at`: ISO 8601. */
export function asideName(at: string, uuid: string): string {
  return `${at.replaceAll(/[:.]/g, "-")}-${uuid}`;
}
