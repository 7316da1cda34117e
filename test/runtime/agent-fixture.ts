// A stand-in for an agent: supervises `sleep`, prints its pid, and lives until it is killed.
import { SILENT } from "../../src/log.ts";
import { realClock } from "../../src/runtime/clock.ts";
import { makeSupervise } from "../../src/runtime/supervisor.ts";

const child = makeSupervise({ clock: realClock, log: SILENT })({ name: "sleep" });
const started = await child.start({ argv: ["sleep", "600"], output: "discard" });
process.stdout.write(`${started.ok ? started.pid : "failed"}\n`);
setInterval(() => {}, 60_000);
