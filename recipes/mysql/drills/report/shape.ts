// The shape of a report as it is checked when it is read. The type of result.ts is what it must agree with.
import { z } from "zod";
import { FORMAT, type DrillReport } from "../result.ts";

const ms = z.number();
const text = z.string();
const count = z.int().nonnegative();

export function reportShape(): z.ZodType<DrillReport> {
  return z.object({
    format: z.literal(FORMAT),
    startedAt: text,
    endedAt: text.nullable(),
    tools: z.record(text, text),
    machine: z.object({ system: text, cpu: text, cores: count, memoryMiB: count }),
    seed: z.number(),
    scenarios: z.array(scenarioShape()),
    rounds: z.array(roundShape()),
  });
}

function scenarioShape() {
  const limits = z.object({ medianMs: ms, maxMs: ms }).nullable();
  return z.object({ name: text, does: text, expects: text, limits });
}

function roundShape() {
  const fault = z.object({
    what: text,
    node: text.nullable(),
    at: ms,
    proof: text.nullable(),
    healedAt: ms.nullable(),
  });
  const phase = ms.nullable();
  return z.object({
    scenario: text,
    round: count,
    seed: z.number(),
    target: text,
    size: count,
    startedAt: text,
    tookMs: ms,
    faults: z.array(fault),
    verdict: z.enum(["passed", "failed", "invalid", "skipped"]),
    reasons: z.array(text),
    outage: z.object({ from: ms, to: ms.nullable(), ms }).nullable(),
    stalledMs: ms,
    phases: z.object({ detectMs: phase, electMs: phase, promoteMs: phase }).nullable(),
    ledger: ledgerShape().nullable(),
    nodes: z.array(nodeShape()),
    timeline: z.array(entryShape()),
  });
}

function ledgerShape() {
  return z.object({
    acknowledged: count,
    unknown: count,
    refused: count,
    lost: count,
    doubled: count,
    invented: count,
    diverged: count,
    vanished: count,
    imbalanced: count,
    twoAcknowledging: count,
  });
}

function nodeShape() {
  const state = z.enum(["converged", "set aside", "diverged", "absent"]);
  return z.object({ node: text, state, evidence: text.nullable() });
}

function entryShape() {
  const kinds = [
    "acknowledging",
    "outage",
    "primary",
    "replica",
    "candidate",
    "closed",
    "down",
    "provisioning",
    "held",
    "fault",
    "event",
  ] as const;
  const times = { at: ms, until: ms.exactOptional() };
  return z.object({ ...times, lane: text, kind: z.enum(kinds), text });
}
