// Values of the configuration as people write them: durations and sizes.
import { z } from "zod";
import { parseDuration } from "../../src/index.ts";
import { parseSize } from "./core/size.ts";

export const durationMs = z.string().transform((text, context) => {
  const ms = parseDuration(text);
  if (ms !== null) return ms;
  context.addIssue({ code: "custom", message: `expected a duration like "5s", got "${text}"` });
  return z.NEVER;
});

export const sizeBytes = z.string().transform((text, context) => {
  const bytes = parseSize(text);
  if (bytes !== null && bytes > 0) return bytes;
  context.addIssue({ code: "custom", message: `expected a size like "512MiB", got "${text}"` });
  return z.NEVER;
});
