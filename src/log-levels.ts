// The levels of the log, apart from it, so that a configuration can be checked without loading the logger.
// error = a person should look; warn = we handled it; info = a decision or a change; debug = observations.

export const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
