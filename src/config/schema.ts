// The framework's part of a node's configuration. Objects are strict: an unknown key is an error, because a mistyped one
// would otherwise be a silent default. The recipe's part stands below the recipe's name and has its own schema.
import { hostname } from "node:os";
import { z, type ZodType } from "zod";
import { parseDuration } from "../core/duration.ts";
import { LOG_LEVELS } from "../log-levels.ts";

/** "500ms", "5s", "1m30s" → milliseconds. */
export const durationMs = z.string().transform((text, context) => {
  const ms = parseDuration(text);
  if (ms !== null) return ms;
  context.addIssue({ code: "custom", message: `expected a duration like "5s", got "${text}"` });
  return z.NEVER;
});

// Part of file names, service names and KV paths.
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const name = z
  .string()
  .refine((text) => NAME.test(text), "expected small letters, digits and dashes, at most 63");

// sun_path of unix(7) holds 107 bytes and a zero; with more, bind() fails with a message that nobody understands.
export const LONGEST_SOCKET_PATH = 107;
export const SOCKET_PATH_RULE = `the path of a socket has at most ${LONGEST_SOCKET_PATH} bytes`;

const port = z.int().min(1).max(65_535);

const node = z.strictObject({
  /** Unique in the cluster. */
  name: name.default(() => hostname().toLowerCase()),
  cluster: name,
  /** Everything of this node lives below it. */
  dir: z.string().min(1),
  /** Address that the other nodes reach this one at. */
  host: z
    .string()
    .min(1)
    .default(() => hostname()),
  /** Address to listen on. */
  bind: z.string().min(1).default("0.0.0.0"),
  /** The agent's own HTTP port. */
  httpPort: port.default(8306),
  /** Default: control.sock below dir. */
  controlSocket: z.string().min(1).optional(),
});

const consul = z.strictObject({
  /** Instead of CONSUL_HTTP_ADDR; several, comma separated. Everything else: the standard CONSUL_* variables. */
  address: z.string().min(1).optional(),
  /** Instead of CONSUL_HTTP_TOKEN_FILE. */
  tokenFile: z.string().min(1).optional(),
});

const etcd = z.strictObject({
  /** Instead of ETCDCTL_ENDPOINTS; any members of one cluster. */
  endpoints: z.array(z.string().min(1)).min(1).optional(),
  /** What the catalogue and the sessions live below. */
  prefix: z.string().min(1).optional(),
  /** Instead of ETCDCTL_CACERT, ETCDCTL_CERT and ETCDCTL_KEY. */
  caFile: z.string().min(1).optional(),
  certFile: z.string().min(1).optional(),
  keyFile: z.string().min(1).optional(),
  /** Instead of ETCDCTL_USER. */
  user: z.string().min(1).optional(),
  /** Instead of ETCDCTL_PASSWORD. */
  passwordFile: z.string().min(1).optional(),
});

const hook = z.strictObject({
  exec: z.array(z.string()).min(1),
  timeout: durationMs.prefault("30s"),
});

export const frameworkShape = {
  recipe: z.string().regex(/^[a-z][a-z0-9-]*$/, "expected the name of a recipe"),
  node,
  consul: consul.prefault({}),
  /** Instead of Consul. */
  etcd: etcd.optional(),
  hooks: z.record(name, hook).prefault({}),
  log: z.strictObject({ level: z.enum(LOG_LEVELS).default("info") }).prefault({}),
};

const framework = z.strictObject(frameworkShape);

/** The framework's part, validated. Durations are milliseconds. */
export type Config = z.output<typeof framework>;

/** The whole file's schema: ours, and the recipe's section below its name. */
export function schemaWith(
  section: {
    readonly name: string;
    readonly schema: ZodType;
    readonly hooks: readonly string[];
  } | null,
): ZodType {
  if (section === null) return z.looseObject(frameworkShape);
  // Only the hooks that the recipe runs: a mistyped one would never run, and nobody would know.
  const hooks = Object.fromEntries(section.hooks.map((known) => [known, hook.optional()]));
  return z.strictObject({
    ...frameworkShape,
    hooks: z.strictObject(hooks).prefault({}),
    [section.name]: section.schema.prefault({}),
  });
}
