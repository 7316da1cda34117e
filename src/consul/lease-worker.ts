// The lease's thread on Consul.
import { workerData } from "node:worker_threads";
import { keepLease } from "../lease/keeper.ts";
import type { ConsulConfig } from "./config.ts";
import { consulLeaseStore } from "./lease-requests.ts";

const { config } = workerData as { readonly config: ConsulConfig };
await keepLease(consulLeaseStore(config));
