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
export type { ErrorCode } from "./error-codes.ts";
export type {
  Clock,
  Commit,
  Directory,
  Instance,
  Kv,
  KvEntry,
  KvOp,
  Lease,
  LeaseView,
  Leaser,
  Service,
} from "./ports.ts";
export type {
  ClusterView,
  LocalNode,
  NodeIdentity,
  Recipe,
  RecipeContext,
  RecipeVerb,
  Reconciler,
  Report,
  VerbCall,
} from "./recipe.ts";
export type { Log } from "./log.ts";
export type { Supervise, Supervised } from "./runtime/supervisor.ts";
export type { Tool, ToolSpec } from "./local/toolchain.ts";
export { parseDuration } from "./core/duration.ts";
