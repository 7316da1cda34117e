// What a recipe may import: the one barrel.
export {
  ConfigError,
  ConflictError,
  InvariantError,
  RefusedError,
  UnavailableError,
  UsageError,
  invariant,
  messageOf,
} from "./errors.ts";
export type {
  Clock,
  Commit,
  Directory,
  Kv,
  KvEntry,
  KvOp,
  Lease,
  Leaser,
  Service,
} from "./ports.ts";
export type { Address, Lab, LabCluster, LabEvent, Way } from "./lab.ts";
export type {
  ClusterView,
  LabCall,
  LabVerb,
  LocalNode,
  NodeIdentity,
  Recipe,
  RecipeContext,
  RecipeVerb,
  Reconciler,
  Report,
  VerbCall,
} from "./recipe.ts";
export { hostPort } from "./core/host-port.ts";
export type { Log } from "./log.ts";
export type { Supervise, Supervised } from "./runtime/supervisor.ts";
export type { Tool, ToolSpec } from "./local/toolchain.ts";
export { parseDuration } from "./core/duration.ts";
