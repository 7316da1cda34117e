#!/usr/bin/env node
// argv → verb → exit code. The first thing is the cache of compiled code: with it neither the compiler nor the type
// stripper is loaded, which halves the start and saves 17 MB in an agent that runs for months.
import { enableCompileCache } from "node:module";
import { join } from "node:path";
import { cacheDir } from "./cache-dir.ts";

// Not the system's temporary directory, Node's default: whoever made it first there could give us code.
enableCompileCache(process.env["NODE_COMPILE_CACHE"] ?? join(cacheDir(process.env), "compile"));

const { main } = await import("./cli/main.ts");
process.exit(await main(process.argv.slice(2)));
