// Which version of the format a file is written in.
import type { Tree } from "./read.ts";

export type Dialect = "v1" | "v2" | "v3";

const OLD_KEYS = [
  "services",
  "backends",
  "tasks",
  "coprocesses",
  "preStart",
  "onStart",
  "preStop",
  "postStop",
];
const NEW_KEYS = ["jobs", "watches", "control"];

export type Recognised = {
  readonly name: Dialect;
  readonly problems: readonly string[];
};

export function dialectOf(
  tree: Tree,
  hints: { readonly hasCommand: boolean; readonly isContainerbuddy: boolean },
): Recognised {
  const telemetry = tree["telemetry"];
  const hasSensors = typeof telemetry === "object" && telemetry !== null && "sensors" in telemetry;
  const old = [
    ...OLD_KEYS.filter((key) => key in tree),
    ...(hasSensors ? ["telemetry.sensors"] : []),
  ];
  const today = NEW_KEYS.filter((key) => key in tree);
  if (old.length > 0 && today.length > 0) {
    const why = `it belongs to version 2, but ${today.join(" and ")} to version 3: use one of them`;
    return { name: "v3", problems: old.map((key) => `${key}: ${why}`) };
  }
  const isOld =
    old.length > 0 || (today.length === 0 && (hints.hasCommand || hints.isContainerbuddy));
  if (!isOld) return { name: "v3", problems: [] };
  return { name: "onStart" in tree || hints.isContainerbuddy ? "v1" : "v2", problems: [] };
}
