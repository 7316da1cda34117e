#!/usr/bin/env node
// The drop-in for ContainerPilot's binary: its flags, its exit codes. The compile cache is explained in cli.ts.
import { enableCompileCache } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheDir } from "./cache-dir.ts";

enableCompileCache(process.env["NODE_COMPILE_CACHE"] ?? join(cacheDir(process.env), "compile"));

const { main } = await import("./cli/containerpilot.ts");
const entry = fileURLToPath(import.meta.url);
process.exitCode = await main(process.argv.slice(2), process.env, entry);
