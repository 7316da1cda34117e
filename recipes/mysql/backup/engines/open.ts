// The one door to the engines: which of them fits a server (asked of the server itself), and an engine, opened.
//
//   const choice = requireEngine(chooseEngine(await readEngineFacts(login, tools, wished)))
//   const engine = openEngine({ name: choice.engine, tool, server: { login, myCnf }, progress })
//   await using imaging = await engine.image(facts.server, { scratch, since: null, signal })
//   …read imaging.stream to its end, and only then: await imaging.finish()
import { RefusedError, type Tool } from "../../../../src/index.ts";
import type { EngineChoice, EngineFacts } from "../../core/backup/choose-engine.ts";
import type { EngineName } from "../../core/backup/manifest.ts";
import { connect, type Target } from "../../mysqld/connection.ts";
import type { Engine } from "../engine.ts";
import { cloneEngine } from "./clone.ts";
import { familyEngine } from "./family.ts";
import { mariadbBackup, xtrabackup } from "./family-words.ts";
import { readCloneFacts, readServer } from "./server-facts.ts";

export type EngineParts = {
  readonly name: EngineName;
  /** clone: mysqld; xtrabackup: xtrabackup and xbstream; mariadb-backup: it and mbstream. */
  readonly tool: Tool;
  /**
   * Null: to unpack only. `login`: an account of this machine with the engines' privileges, which the recipe's own agent
   * account has; a second one would be one more password on every node, and protect nothing: who runs a backup reads all
   * data. `myCnf`: the node's; only clone needs it.
   */
  readonly server: { readonly login: Target; readonly myCnf: string } | null;
  /** What it is working at, one phrase or file name; often. */
  readonly progress?: (step: string) => void;
};

export function openEngine(parts: EngineParts): Engine {
  const { name, tool, server, progress = () => undefined } = parts;
  const login = server?.login ?? null;
  switch (name) {
    case "clone":
      return cloneEngine({ tool, server, progress });
    case "xtrabackup":
      return familyEngine({ family: xtrabackup, tool, login, progress });
    case "mariadb-backup":
      return familyEngine({ family: mariadbBackup, tool, login, progress });
  }
}

const CONNECT_MS = 10_000;

/** Errors: UnavailableError of the connection. */
export async function readEngineFacts(
  login: Target,
  tools: EngineFacts["tools"],
  wished: EngineFacts["wished"],
): Promise<EngineFacts> {
  await using sql = await connect(login, CONNECT_MS);
  const { server } = await readServer(sql);
  const none = { clonePlugin: false, otherTables: [] };
  const clone = server.flavor === "mariadb" ? none : await readCloneFacts(sql);
  return { server, tools, wished, ...clone };
}

/** Errors: RefusedError AP_BACKUP_NO_ENGINE with the reason of each. */
export function requireEngine(choice: EngineChoice): EngineChoice & { readonly ok: true } {
  if (choice.ok) return choice;
  const { reasons } = choice;
  throw new RefusedError("AP_BACKUP_NO_ENGINE", reasons.join("; "), { reasons });
}
