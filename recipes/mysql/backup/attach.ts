// Backups of one node, as its agent runs them: loaded only where they are configured, on real machines.
import { readFile } from "node:fs/promises";
import { ConfigError, messageOf, type Supervise } from "../../../src/index.ts";
import { roleOf } from "../core/report.ts";
import type { BackupFacts } from "../core/backup/summary.ts";
import type { Observation } from "../core/observation.ts";
import type { Hands } from "../execute/hands.ts";
import type { Mysqld } from "../mysqld/port.ts";
import { adminPort } from "../real-machine.ts";
import { Archiving } from "./archiving.ts";
import { Board } from "./board.ts";
import { Chores } from "./chores.ts";
import { childStarter } from "./child.ts";
import type { BackupConfig } from "./config.ts";
import { Keeper, type NodeView } from "./keeper.ts";
import { backupFacts } from "./read.ts";

export type Backups = AsyncDisposable & {
  /** The agent stops: workers are ended now, before anything else. */
  stop(): Promise<void>;
  /** From memory; null: not read yet. How far the archive is only the primary's knows. */
  facts(): BackupFacts | null;
};

/** Errors: ConfigError AP_CONFIG_INVALID. */
export async function attachBackups(
  hands: Hands & { readonly supervise: Supervise },
  config: BackupConfig,
  last: () => Observation | null,
): Promise<Backups> {
  await requireRecipients(config);
  const { kv, keys, registry } = hands;
  const view = (): NodeView | null => viewOf(hands, last());
  await using stack = new AsyncDisposableStack();
  const parts = {
    ...hands,
    config,
    secrets: hands.config.secrets,
    adminPort: adminPort(hands.config),
    board: stack.use(new Board({ kv, keys })),
    view,
    refreshPeers: (maxAgeMs: number) => registry.refreshPeers(maxAgeMs),
    start: childStarter(hands),
  };
  const keeper = stack.use(new Keeper(parts));
  const archiving = config.archive.enabled ? stack.use(new Archiving(parts)) : null;
  const { dir } = hands.node;
  const mysqld = (): Mysqld | null => hands.handle.connection();
  stack.use(new Chores({ ...parts, dir, kv, keys, mysqld }));
  const all = stack.move();
  return {
    stop: async () => {
      await Promise.all([keeper.stop(), archiving?.stop()]);
    },
    facts: () => {
      const board = parts.board.facts();
      const archived = archiving?.state() ?? null;
      return board && backupFacts(board, hands.clock.wall(), { progress: null, archived });
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** Null: there is no server of this cluster here that an image could be taken of. */
function viewOf({ registry, memory }: Hands, o: Observation | null): NodeView | null {
  const { initialize, state, peers, paused, session } = registry.facts();
  if (o === null || initialize === null || memory.uuid === null) return null;
  if (o.datadir.kind !== "ready" || !o.process.running) return null;
  return {
    clusterId: initialize,
    uuid: memory.uuid,
    role: roleOf(o),
    epoch: state?.value.epoch ?? 0,
    session,
    state: state?.value ?? null,
    peers,
    paused,
    stopping: memory.stopping,
  };
}

/** An encryption that nobody can read afterwards must not be found out by the first backup. */
async function requireRecipients({ encryption }: BackupConfig): Promise<void> {
  if (encryption === undefined) return;
  const path = "mysql.backup.encryption.recipients";
  const invalid = (why: string): ConfigError =>
    new ConfigError("AP_CONFIG_INVALID", "backups", { problems: [`${path}: ${why}`] });
  const text = await readFile(encryption.recipients, "utf8").catch((error: unknown) => {
    throw invalid(messageOf(error));
  });
  if (!/^age1\S+/m.test(text)) throw invalid(`${encryption.recipients} names no age recipient`);
}
