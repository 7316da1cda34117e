// Runs the runner in this process, which first becomes what it should be (image.ts). What it imports is all that stays
// in memory for months.
import { settleImage } from "./image.ts";
import type { ResolveRequest } from "./resolve.ts";

export async function runHere(
  request: ResolveRequest,
  how: {
    readonly entry: string;
    readonly argv: readonly string[];
    readonly env: NodeJS.ProcessEnv;
  },
): Promise<number> {
  const image = settleImage(how.entry, how.argv, how.env);
  const { runRunner } = await import("./run.ts");
  const code = await runRunner(request, { ...image, env: how.env });
  // A daemon that a job left behind may still hold an output that we read.
  process.exit(code);
}
