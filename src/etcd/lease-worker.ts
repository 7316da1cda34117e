// The lease's thread on etcd.
import { workerData } from "node:worker_threads";
import { keepLease } from "../lease/keeper.ts";
import type { EtcdConfig } from "./config.ts";
import { etcdLeaseStore } from "./lease-requests.ts";

const { config } = workerData as { readonly config: EtcdConfig };
const store = etcdLeaseStore(config);
// Not awaited here: the import has to end, so that the compiled code is kept; without it the thread takes 18 MB more.
keepLease(store)
  .finally(() => store.close())
  .catch((error: unknown) => {
    // The thread ends with it, and its owner hears of it.
    setImmediate(() => {
      throw error;
    });
  });
