// What a recipe may import: the one barrel.
export {
  AutopilotError,
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
  ObjectInfo,
  ObjectStore,
  Service,
  Upload,
  Uploaded,
} from "./ports.ts";
export type { Address, Lab, LabCluster, LabEvent, Way } from "./lab.ts";
export type {
  ClusterView,
  LabCall,
  LabVerb,
  LocalCluster,
  LocalNode,
  NodeIdentity,
  Recipe,
  RecipeAnswer,
  RecipeContext,
  RecipeVerb,
  Reconciler,
  Report,
  StoreCall,
  StoreVerb,
  VerbCall,
} from "./recipe.ts";
export { hostPort } from "./core/host-port.ts";
export { SILENT, type Log } from "./log.ts";
export { launch, signalGroup } from "./runtime/launch.ts";
export { makeSupervise } from "./runtime/supervisor.ts";
export type { Supervise, Supervised } from "./runtime/supervisor.ts";
export type { Tool, ToolSpec } from "./local/toolchain.ts";
export { parseDuration } from "./core/duration.ts";
export { openStore } from "./objects/open.ts";
export { sweepUploads } from "./objects/sweep.ts";
export { realClock } from "./runtime/clock.ts";
export { findTool } from "./local/toolchain.ts";
