// An address becomes a store. The S3 driver, and with it the SDK (30 MB), is loaded only where it is used.
import type { Clock, ObjectStore } from "../ports.ts";
import { parseAddress } from "./address.ts";
import { openDisk } from "./disk.ts";
import type { Gauge } from "./pool.ts";

export type OpenOptions = {
  /** AWS_REGION and AWS_ENDPOINT_URL_S3; the SDK finds the access keys in the process's own environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** The most tries of a request; a person who waits wants fewer than a backup. */
  readonly tries?: number;
  /** s3.ts */
  readonly lookFirst?: boolean;
  /** False: what is written may be deleted at once, whatever the address says of a lock. */
  readonly locks?: boolean;
};

export type OpenedStore = ObjectStore & {
  readonly kind: "disk" | "s3";
  readonly memory: Gauge;
  /** Not on a disk: nothing is sent that could be damaged. */
  readonly damagedPut?: (key: string) => Promise<unknown>;
};

/** Errors: ConfigError AP_OBJECTS_ADDRESS. Nothing is asked yet: the first request shows whether the store is there. */
export async function openStore(text: string, options: OpenOptions): Promise<OpenedStore> {
  const { env, clock, tries, lookFirst, locks = true } = options;
  const address = parseAddress(text, env);
  if (address.kind === "disk") return openDisk(address.dir, { clock });
  const { openS3 } = await import("./s3.ts");
  return openS3(locks ? address : { ...address, objectLock: null }, {
    clock,
    ...(tries === undefined ? {} : { tries }),
    ...(lookFirst === undefined ? {} : { lookFirst }),
  });
}
