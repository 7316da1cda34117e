// The child behind resolve.ts: a request on stdin, the checked configuration or its error on stdout.
import { enableCompileCache } from "node:module";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { cacheDir } from "../cache-dir.ts";
import type { ResolveRequest } from "./resolve.ts";

enableCompileCache(process.env["NODE_COMPILE_CACHE"] ?? join(cacheDir(process.env), "compile"));

const { answer } = await import("./resolve-answer.ts");
const request = JSON.parse(await text(process.stdin)) as ResolveRequest;
process.stdout.write(JSON.stringify(answer(request, process.env)));
