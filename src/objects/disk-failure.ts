// What the system says of a file, as one of our errors.
import {
  AutopilotError,
  ConfigError,
  ConflictError,
  RefusedError,
  UnavailableError,
  messageOf,
} from "../errors.ts";

export function diskFailure(error: unknown, what: string, writes: boolean): Error {
  if (error instanceof AutopilotError || (error instanceof Error && error.name === "AbortError"))
    return error;
  const why = `${what}: ${messageOf(error)}`;
  const cause = error;
  switch ((error as NodeJS.ErrnoException | null)?.code ?? "") {
    case "EROFS":
      return new ConfigError("AP_OBJECTS_READONLY", why, { cause });
    case "EACCES":
    case "EPERM":
      return writes
        ? new ConfigError("AP_OBJECTS_READONLY", why, { cause })
        : new ConfigError("AP_OBJECTS_DENIED", why, { cause });
    case "ENOSPC":
    case "EDQUOT":
    case "EFBIG":
      return new UnavailableError("AP_OBJECTS_FULL", why, { cause });
    case "ENOENT":
      return new ConflictError("AP_OBJECTS_MISSING", why, { cause });
    // One key is the folder of another.
    case "EEXIST":
    case "ENOTDIR":
    case "EISDIR":
    case "ENAMETOOLONG":
    case "ENOTEMPTY":
      return new RefusedError("AP_OBJECTS_LIMIT", why, { cause, hint: "choose another name" });
    default:
      return new UnavailableError("AP_OBJECTS_UNREACHABLE", why, { cause });
  }
}
