// Finds fakesql as a process of its own: PATH and HOME are the made-up machine's, the argument is its cache.
// Prints where it came from.
import { findTool } from "../../src/local/toolchain.ts";
import { fakeSpec } from "./fake-spec.ts";

const [, , cacheDir = ""] = process.argv;
const { origin, prefix } = await findTool(fakeSpec, { progress: () => {}, cacheDir });
process.stdout.write(JSON.stringify({ origin, prefix }));
