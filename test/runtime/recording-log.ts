// A log that keeps its lines, through the real logger.
import { createLog, type LogOptions, type RootLog } from "../../src/log.ts";

export type Line = Readonly<Record<string, unknown>>;

export function recordingLog(options: Partial<LogOptions> = {}): {
  log: RootLog;
  lines: Line[];
  text: () => string;
} {
  const texts: string[] = [];
  const lines: Line[] = [];
  const to = {
    write(text: string): void {
      texts.push(text);
      if (options.pretty !== true) lines.push(JSON.parse(text) as Line);
    },
  };
  const log = createLog({ level: "debug", pretty: false, fields: {}, ...options, to });
  return { log, lines, text: () => texts.join("") };
}
