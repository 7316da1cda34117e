// Consul's part as the environment has it: ContainerPilot let the standard variables win over the file.
import { textOf } from "./weak.ts";

type Tree = Record<string, unknown>;

/** Variable → key below `consul`. */
const VARIABLES: readonly (readonly [variable: string, path: readonly string[]])[] = [
  ["CONSUL_HTTP_TOKEN", ["token"]],
  ["CONSUL_CACERT", ["tls", "cafile"]],
  ["CONSUL_CAPATH", ["tls", "capath"]],
  ["CONSUL_CLIENT_CERT", ["tls", "clientcert"]],
  ["CONSUL_CLIENT_KEY", ["tls", "clientkey"]],
  ["CONSUL_TLS_SERVER_NAME", ["tls", "servername"]],
  ["CONSUL_HTTP_SSL_VERIFY", ["tls", "verify"]],
];

/** An address becomes an object; a value that is no backend at all is as good as none. */
export function consulTree(written: unknown): unknown {
  if (written === false || typeof written === "number") return undefined;
  if (typeof written === "string")
    return written === "" ? undefined : withScheme({ address: written });
  if (typeof written !== "object" || written === null || Array.isArray(written)) return written;
  return withScheme(written as Tree);
}

/** The scheme may stand in the address. */
function withScheme(tree: Tree): Tree {
  const scheme = /^(https?):\/\//i.exec(textOf(tree["address"]) ?? "")?.[1]?.toLowerCase();
  return scheme === undefined || tree["scheme"] !== undefined ? tree : { ...tree, scheme };
}

/** The tree with the environment's values, and which of them came from which variable. */
export function withConsulEnv(
  tree: Tree,
  env: NodeJS.ProcessEnv,
): { readonly tree: Tree; readonly origins: ReadonlyMap<string, string> } {
  const { consul } = tree;
  const origins = new Map<string, string>();
  if (typeof consul !== "object" || consul === null || Array.isArray(consul))
    return { tree, origins };
  const merged = structuredClone(consul) as Tree;
  for (const [variable, path] of VARIABLES) {
    const value = env[variable];
    if (value === undefined || value === "") continue;
    if (path.length === 1) merged[path[0] ?? ""] = value;
    else {
      const tls = merged["tls"] ?? {};
      if (typeof tls !== "object") continue; // the schema says that it is no object
      merged["tls"] = { ...tls, [path[1] ?? ""]: value };
    }
    origins.set(`consul.${path.join(".")}`, variable);
  }
  return { tree: { ...tree, consul: merged }, origins };
}
