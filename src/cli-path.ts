// The program's own entry point, for those who start it as a child: .ts in the checkout.
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

export const CLI = fileURLToPath(new URL(`./cli${extname(import.meta.url)}`, import.meta.url));
