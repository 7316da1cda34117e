// What a failing seed leaves behind, end to end: with a rule taken out of a copy of the code, `npm run sim` finds a seed,
// shrinks it and prints a test; that test fails in the copy by the same rule, and holds in the code as it is.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { Schedule } from "./schedule.ts";
import { simulate } from "./simulate.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const RULE = {
  file: "recipes/mysql/core/state.ts",
  text: "return state.voters.length - state.acks;",
  instead: "return Math.max(1, state.voters.length - state.acks - 1);",
};

const dir = mkdtempSync(join(tmpdir(), "sim-broken-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function breakRule(): void {
  for (const part of ["recipes", "src", "test/simulation", "package.json"])
    cpSync(join(ROOT, part), join(dir, part), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(dir, "node_modules"));
  const path = join(dir, RULE.file);
  const parts = readFileSync(path, "utf8").split(RULE.text);
  expect(parts).toHaveLength(2);
  writeFileSync(path, parts.join(RULE.instead));
}

const inTheCopy = (...argv: readonly string[]) =>
  spawnSync(process.execPath, argv, { encoding: "utf8", cwd: dir });

test("a failing seed becomes a small test that fails for the same reason, and only there", async () => {
  breakRule();
  const soak = inTheCopy(
    "test/simulation/main.ts",
    "--from",
    "1",
    "--nodes",
    "3",
    "--minutes",
    "2",
  );
  expect(soak.status, soak.stderr).toBe(1);
  const [, says = ""] = /^seed \d+ \(3 nodes\): (.*)$/m.exec(soak.stdout) ?? [];
  const [, text = ""] = /^test\("seed .*holds\((\{.*\})\)\);$/m.exec(soak.stdout) ?? [];
  const schedule = JSON.parse(text) as Schedule;
  expect(schedule.steps.length).toBeLessThan(8);
  const last = JSON.parse(soak.stdout.trim().split("\n").at(-1) ?? "") as { violations: number };
  expect(last.violations).toBeGreaterThan(0);

  const script = `import { simulate } from "./test/simulation/simulate.ts";
    const { violation } = await simulate(${text});
    console.log(violation?.message ?? "no violation");
    process.exit();`;
  const again = inTheCopy("--input-type=module", "--eval", script);
  expect(again.stdout.split(":")[0]).toBe(says.split(":")[0]);

  const { violation } = await simulate(schedule);
  expect(violation?.message ?? null).toBeNull();
});
