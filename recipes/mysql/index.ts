// The MySQL recipe: one role-less image for primary and replica. A value; the framework does the rest.
import type { NodeIdentity, Recipe, Service } from "../../src/index.ts";
import type { MysqlConfig } from "./config.ts";
import type { Action } from "./core/action.ts";
import type { Observation } from "./core/observation.ts";
import { beforeStart, hints, localConfig, prepareLocal, stopCluster } from "./local.ts";
import { mysqlSpec } from "./mysqld/tool.ts";
import { startReconciler } from "./reconciler.ts";
import { adopt } from "./verbs/adopt.ts";
import { drill } from "./verbs/drill.ts";
import { backup } from "./verbs/backup.ts";
import { dsn } from "./verbs/dsn.ts";
import { failover } from "./verbs/failover.ts";
import { pause, resume } from "./verbs/pause.ts";
import { rebuild } from "./verbs/rebuild.ts";
import { restore } from "./verbs/restore.ts";
import { status } from "./verbs/status.ts";
import { schedule } from "./verbs/schedule.ts";
import { switchover } from "./verbs/switchover.ts";
import { SERVICE, serviceId, serviceMeta, view } from "./view.ts";

const mysql: Recipe<MysqlConfig, Observation, Action> = {
  name: "mysql",
  // Loaded only where a configuration is checked: zod would take 10 MB of each agent for months.
  schema: async () => (await import("./config.ts")).mysqlSchema,
  tools: [mysqlSpec],
  hooks: ["promoted"],
  serverName: "mysqld",
  service: (config: MysqlConfig, node: NodeIdentity): Service => ({
    id: serviceId(node.cluster, node.name),
    name: SERVICE,
    address: node.host,
    port: config.port,
    tags: [node.cluster],
    meta: serviceMeta(node),
  }),
  start: startReconciler,
  verbs: [
    status,
    dsn,
    switchover,
    failover,
    rebuild,
    adopt,
    pause,
    resume,
    backup,
    restore,
    schedule,
    drill,
  ],
  prepareLocal,
  localConfig,
  beforeStart,
  stopCluster,
  view,
  hints,
};

export default mysql;
