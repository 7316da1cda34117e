// A PUT with a body of our own making, by the client's own transport: the package builds its bodies key by key and drops
// those that it does not know (2.0.1).
import type { Client } from "./transport.ts";

type Putter = {
  _put(
    request: { name: string; path: string; type: "json"; body: object; headers: object },
    done: (request: PutState, next: (stop: false, error?: Error, value?: unknown) => void) => void,
  ): Promise<unknown>;
  readonly _defaults?: { readonly token?: string };
};
type PutState = { readonly err?: Error; readonly res: { readonly body?: unknown } };

/** `path` is below /v1. Resolves with the answer's body; errors are the package's own. */
export function rawPut(client: Client, path: string, body: object): Promise<unknown> {
  const putter = client as unknown as Putter;
  const token = putter._defaults?.token;
  const headers = token === undefined ? {} : { "x-consul-token": token };
  return putter._put(
    { name: path.replace(/^\//, "").replaceAll("/", "."), path, type: "json", body, headers },
    (request, next) => next(false, request.err, request.res?.body),
  );
}
