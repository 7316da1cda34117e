// An S3 of the tests' own, in memory, over real HTTP: buckets, conditions, ranges, multipart, lists. It does not verify
// signatures beyond the key's name and the signed hash of the body: that a real store does (objects-rgw.test.ts). It can
// be made one that ignores conditions, or one that does not let anybody write.
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { errorXml, listXml, uploadsXml, tag, deletedKeys } from "./s3-xml.ts";

export const KEY_ID = "AKSTANDIN";
export const SECRET = "stand-in-secret-that-must-never-be-printed";

type Stored = {
  readonly body: Buffer;
  readonly etag: string;
  readonly at: Date;
  readonly id: string;
};
type Multipart = {
  readonly key: string;
  readonly at: Date;
  readonly id: string;
  readonly parts: Map<number, Buffer>;
};

export type Manners = {
  ignoreNoneMatch?: boolean;
  ignoreMatch?: boolean;
  ignoreNoneMatchOnComplete?: boolean;
  readOnly?: boolean;
  /** Completed uploads lack their last byte. */
  cutsOnComplete?: boolean;
  /** Answers to lists have so many at most. */
  page?: number;
};

export interface StandIn extends AsyncDisposable {
  readonly url: string;
  readonly objects: Map<string, Stored>;
  readonly uploads: Map<string, Multipart>;
  manners: Manners;
  /** Every request's method, path and headers. */
  readonly heard: { method: string; path: string; headers: IncomingMessage["headers"] }[];
}

class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string) {
    super(code);
    this.status = status;
    this.code = code;
  }
}

export const BUCKET = "shelf";

export async function startStandIn(): Promise<StandIn> {
  const objects = new Map<string, Stored>();
  const uploads = new Map<string, Multipart>();
  const server = createServer((request, response) => {
    void answer(request, response);
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url: path = "", headers } = request;
    standIn.heard.push({ method, path, headers });
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      respond(request, response, Buffer.concat(chunks));
    } catch (error) {
      if (!(error instanceof Refusal)) {
        response.destroy();
        return;
      }
      response.writeHead(error.status, { "content-type": "application/xml" });
      response.end(request.method === "HEAD" ? "" : errorXml(error.code));
    }
  }

  function respond(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
    const url = new URL(request.url ?? "/", "http://x");
    const [, bucket = "", ...rest] = url.pathname.split("/");
    const key = decodeURIComponent(rest.join("/"));
    authorize(request, body);
    if (bucket !== BUCKET) throw new Refusal(404, "NoSuchBucket");
    const query = url.searchParams;
    const { method = "" } = request;
    if (standIn.manners.readOnly === true && !/^(GET|HEAD)$/.test(method))
      throw new Refusal(403, "AccessDenied");
    const send = (status: number, text = "", headers = {}): void => {
      response.writeHead(status, headers).end(text);
    };
    if (key === "" && method === "GET" && query.has("uploads"))
      return send(200, uploadsXml(uploads, query, standIn.manners.page ?? 1000));
    if (key === "" && method === "GET")
      return send(200, listXml(objects, query, standIn.manners.page ?? 1000));
    if (key === "" && method === "POST" && query.has("delete")) {
      for (const one of deletedKeys(body.toString())) objects.delete(one);
      return send(200, "<DeleteResult></DeleteResult>");
    }
    const id = String(request.headers["x-amz-meta-autopilot-write"] ?? "");
    if (method === "POST" && query.has("uploads")) {
      const upload = randomUUID();
      uploads.set(upload, { key, at: new Date(), id, parts: new Map() });
      const made = `<InitiateMultipartUploadResult>${tag("UploadId", upload)}</InitiateMultipartUploadResult>`;
      return send(200, made);
    }
    const upload = query.get("uploadId");
    if (upload !== null) return part(request, upload, key, body, query, send);
    if (method === "PUT") return send(200, "", { etag: put(request, key, body, id) });
    if (method === "DELETE") {
      objects.delete(key);
      return send(204);
    }
    get(request, response, key);
  }

  function part(
    request: IncomingMessage,
    upload: string,
    key: string,
    body: Buffer,
    query: URLSearchParams,
    send: (status: number, text?: string, headers?: object) => void,
  ): void {
    const known = uploads.get(upload);
    if (known === undefined || known.key !== key) throw new Refusal(404, "NoSuchUpload");
    if (request.method === "PUT") {
      known.parts.set(Number(query.get("partNumber")), body);
      return send(200, "", { etag: etagOf(body) });
    }
    if (request.method === "DELETE") {
      uploads.delete(upload);
      return send(204);
    }
    const wanted = [...body.toString().matchAll(/<Part>(.*?)<\/Part>/gs)].map(([, one = ""]) => ({
      number: Number(/<PartNumber>(\d+)</.exec(one)?.[1]),
      etag: /<ETag>(.*?)</.exec(one)?.[1]?.replaceAll("&quot;", '"'),
    }));
    const parts = wanted.map(({ number, etag }) => {
      const bytes = known.parts.get(number);
      if (bytes === undefined || etagOf(bytes) !== etag) throw new Refusal(400, "InvalidPart");
      return bytes;
    });
    if (standIn.manners.ignoreNoneMatchOnComplete !== true) conditions(request, key);
    const all = Buffer.concat(parts);
    const whole = standIn.manners.cutsOnComplete === true ? all.subarray(0, -1) : all;
    const etag = `"${etagOf(whole).slice(1, -1)}-${parts.length}"`;
    objects.set(key, { body: whole, etag, at: new Date(), id: known.id });
    uploads.delete(upload);
    send(
      200,
      `<CompleteMultipartUploadResult><ETag>${etag}</ETag></CompleteMultipartUploadResult>`,
    );
  }

  function put(request: IncomingMessage, key: string, body: Buffer, id: string): string {
    conditions(request, key);
    const etag = etagOf(body);
    objects.set(key, { body, etag, at: new Date(), id });
    return etag;
  }

  function conditions({ headers }: IncomingMessage, key: string): void {
    const there = objects.get(key);
    const match = headers["if-match"]?.replaceAll('"', "");
    if (
      headers["if-none-match"] === "*" &&
      there !== undefined &&
      standIn.manners.ignoreNoneMatch !== true
    )
      throw new Refusal(412, "PreconditionFailed");
    if (match === undefined || standIn.manners.ignoreMatch === true) return;
    if (there === undefined) throw new Refusal(404, "NoSuchKey");
    if (there.etag.replaceAll('"', "") !== match) throw new Refusal(412, "PreconditionFailed");
  }

  function get(request: IncomingMessage, response: ServerResponse, key: string): void {
    const there = objects.get(key);
    if (there === undefined) throw new Refusal(404, "NoSuchKey");
    const match = request.headers["if-match"];
    if (match !== undefined && match !== there.etag) throw new Refusal(412, "PreconditionFailed");
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
    const begin = Number(from ?? 0);
    if (from !== undefined && begin >= there.body.length) throw new Refusal(416, "InvalidRange");
    const body = there.body.subarray(begin, to === undefined ? undefined : Number(to) + 1);
    const range = `bytes ${begin}-${begin + body.length - 1}/${there.body.length}`;
    response.writeHead(from === undefined ? 200 : 206, {
      "content-length": body.length,
      ...(from === undefined ? {} : { "content-range": range }),
      etag: there.etag,
      "last-modified": there.at.toUTCString(),
      "x-amz-meta-autopilot-write": there.id,
    });
    response.end(request.method === "HEAD" ? undefined : body);
  }

  await once(server.listen(0, "127.0.0.1"), "listening");
  const standIn: StandIn = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    uploads,
    manners: {},
    heard: [],
    async [Symbol.asyncDispose]() {
      const closed = once(server.close(), "close");
      server.closeAllConnections();
      await closed;
    },
  };
  return standIn;
}

/** Which keys, and whether the body is the one that was signed. */
function authorize({ headers, method }: IncomingMessage, body: Buffer): void {
  const keyId = /Credential=([^/]+)\//.exec(headers.authorization ?? "")?.[1];
  if (keyId === undefined) throw new Refusal(403, "AccessDenied");
  if (keyId !== KEY_ID) throw new Refusal(403, "InvalidAccessKeyId");
  const signed = headers["x-amz-content-sha256"];
  const sum = createHash("sha256").update(body).digest("hex");
  if ((method === "PUT" || method === "POST") && signed !== "UNSIGNED-PAYLOAD" && signed !== sum)
    throw new Refusal(400, "XAmzContentSHA256Mismatch");
}

function etagOf(body: Buffer): string {
  return `"${createHash("md5").update(body).digest("hex")}"`;
}
