// The lease's thread on etcd.
import { workerData } from "node:worker_threads";
import { keepLease } from "../lease/keeper.ts";
import type { EtcdConfig } from "./config.ts";
import { etcdLeaseStore } from "./lease-requests.ts";

const { config } = workerData as { readonly config: EtcdConfig };
const store = etcdLeaseStore(config);
await keepLease(store);
store.close();
