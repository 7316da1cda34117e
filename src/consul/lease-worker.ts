// The lease's thread on Consul.
import { workerData } from "node:worker_threads";
import { keepLease } from "../lease/keeper.ts";
import type { ConsulConfig } from "./config.ts";
import { consulLeaseStore } from "./lease-requests.ts";

const { config } = workerData as { readonly config: ConsulConfig };
// Not awaited here: the import has to end, so that the compiled code is kept; without it the thread takes 18 MB more.
keepLease(consulLeaseStore(config)).catch((error: unknown) => {
  // The thread ends with it, and its owner hears of it.
  setImmediate(() => {
    throw error;
  });
});
