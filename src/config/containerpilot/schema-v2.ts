// The configuration of ContainerPilot v2 and of Containerbuddy, key by key. They differ in names only: `onStart` became
// `preStart`.
import { z, type ZodType } from "zod";
import { MOST_SECONDS } from "./schema-job.ts";
import {
  command,
  duration,
  flag,
  integer,
  leaf,
  nonBlank,
  shown,
  text,
  textOf,
  texts,
  wrong,
} from "./weak.ts";

/** Left as it is written: the translation's own check reads it. */
const asWritten = z.unknown();

const seconds = (name: string) => integer(1, MOST_SECONDS, name);

const consul = leaf((value) => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return textOf(value);
  const unknown = Object.keys(value).find((key) => !["address", "scheme", "token"].includes(key));
  return unknown === undefined ? value : wrong(`unknown key ${shown(unknown)}`);
});

const service = z.strictObject({
  name: nonBlank,
  port: integer(1, 65_535, "port"),
  health: command.optional(),
  poll: seconds("poll"),
  ttl: seconds("ttl"),
  timeout: duration(1).optional(),
  interfaces: asWritten.optional(),
  tags: texts.optional(),
  consul: z
    .strictObject({
      enableTagOverride: flag.optional(),
      deregisterCriticalServiceAfter: text.optional(),
    })
    .optional(),
});

const backend = z.strictObject({
  name: nonBlank,
  poll: seconds("poll"),
  onChange: command,
  tag: text.optional(),
  timeout: duration(1).optional(),
});

const task = z.strictObject({
  name: nonBlank.optional(),
  command,
  frequency: duration(1),
  timeout: duration(1).optional(),
});

const coprocess = z.strictObject({
  name: nonBlank.optional(),
  command,
  restarts: asWritten.optional(),
});

const sensor = z.strictObject({
  namespace: text.optional(),
  subsystem: text.optional(),
  name: nonBlank,
  help: nonBlank,
  type: nonBlank,
  poll: seconds("poll"),
  check: command,
  timeout: duration(1).optional(),
});

const v2 = z.strictObject({
  consul: consul.optional(),
  etcd: z.strictObject({ endpoints: texts, prefix: text.optional() }).optional(),
  logging: z
    .strictObject({ level: text.optional(), format: text.optional(), output: text.optional() })
    .optional(),
  preStart: command.optional(),
  onStart: command.optional(),
  preStop: command.optional(),
  postStop: command.optional(),
  stopTimeout: integer(-1, MOST_SECONDS).optional(),
  services: z.array(service).prefault([]),
  backends: z.array(backend).prefault([]),
  tasks: z.array(task).prefault([]),
  coprocesses: z.array(coprocess).prefault([]),
  telemetry: z
    .strictObject({
      port: asWritten.optional(),
      interfaces: asWritten.optional(),
      tags: texts.optional(),
      sensors: z.array(sensor).prefault([]),
    })
    .optional(),
});

export type ParsedV2 = z.output<typeof v2>;
export const V2: ZodType<ParsedV2> = v2;
