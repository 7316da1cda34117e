// The recipe's own part of a node's configuration, below `mysql`. Role-less: the same for every node of a cluster.
import { z } from "zod";
import { backupSchema, recoverySchema } from "./backup/config.ts";
import { durationMs } from "./config-values.ts";
import { optionProblems } from "./mysqld/my-cnf.ts";

/** The path of a secret's file; AUTOPILOT_MYSQL_SECRETS_…_FILE names it too. */
const secretFile = z.string().meta({ file: true });

const port = z.int().min(1).max(65_535);

export const mysqlSchema = z
  .strictObject({
    /** mysqld's port for clients and replicas. */
    port: port.default(3306),
    /** Loopback-only port of the agent's own connections; default: port + 1. */
    adminPort: port.optional(),
    /** Address that mysqld listens on. */
    bind: z.string().default("0.0.0.0"),
    /** Files with the cluster's passwords, each mode 0600; equal on all nodes, because a clone copies mysql.user. */
    secrets: z.strictObject({
      admin: secretFile,
      replication: secretFile,
      clone: secretFile,
      peer: secretFile,
      app: secretFile,
    }),
    /** Further mysqld options; those that the protocol needs are refused. */
    options: z
      .record(z.string(), z.string())
      .default({})
      .superRefine((options, context) => {
        for (const problem of optionProblems(options))
          context.addIssue({ code: "custom", message: problem });
      }),
    /** Memory that mysqld may take, MiB: its buffers are sized from it. Default: little, for a laptop. */
    memoryMiB: z.int().min(256).optional(),
    durability: z
      .strictObject({
        acks: z.int().min(1).max(8).default(1),
        voters: z.int().min(1).max(9).default(3),
        minAcks: z.int().min(0).max(8).default(0),
        dropVoterAfter: durationMs.prefault("30s"),
        aloneAfter: durationMs.prefault("5s"),
        /** Unplanned failovers in ten minutes after which elections slow down, up to 30 s; 0: they never do. */
        backOffAfter: z.int().min(0).max(100).default(3),
      })
      .refine((d) => d.acks <= d.voters - 1 || d.voters === 1, "acks must be below voters")
      .refine((d) => d.minAcks <= d.acks, "minAcks must not be above acks")
      .prefault({}),
    /** A node whose data cannot follow: set aside and provisioned anew, or held for a person. */
    rejoin: z.enum(["rebuild", "hold"]).default("rebuild"),
    /** Datadirs set aside that a node keeps, the newest; older ones go as far as their evidence is extracted. */
    keepAside: z.int().min(1).max(100).default(3),
    tags: z
      .strictObject({
        noFailover: z.boolean().default(false),
        priority: z.int().min(0).max(1000).default(100),
        /** Among equals, a node in the last primary's zone is elected. */
        zone: z.string().max(64).default(""),
      })
      .prefault({}),
    /** Backups into an object store; without it there are none. */
    backup: backupSchema.optional(),
    /** A cluster that does not exist yet begins with this data, under an id of its own. */
    recovery: recoverySchema.optional(),
  })
  .refine((c) => c.adminPort !== c.port, { path: ["adminPort"], message: "is mysqld's own port" });

export type MysqlConfig = z.infer<typeof mysqlSchema>;
