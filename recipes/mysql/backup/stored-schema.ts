// What manifests and the archive's indexes say of the data beside them, checked alike.
import { z } from "zod";

export const bytes = z.int().min(0);
const hash = z.string().regex(/^[0-9a-f]{64}$/, "is no SHA-256");

export const compression = z.object({ name: z.literal("zstd"), level: z.int() });

export const encryption = z
  .object({ name: z.literal("age"), recipients: z.array(z.string()).min(1) })
  .nullable();

export const data = z.object({
  key: z.string(),
  bytes,
  sha256: hash,
  parts: z.array(z.object({ bytes, sha256: hash })).min(1),
});
