// The few XML documents of S3 that the stand-in writes and reads.
import { compareKeys } from "../../src/core/object-key.ts";

export function tag(name: string, text: string): string {
  const escaped = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return `<${name}>${escaped}</${name}>`;
}

export function errorXml(code: string): string {
  return `<?xml version="1.0"?><Error>${tag("Code", code)}${tag("Message", `said ${code}`)}</Error>`;
}

export function listXml(
  objects: ReadonlyMap<string, { readonly body: Buffer; readonly etag: string; readonly at: Date }>,
  query: URLSearchParams,
  page: number,
): string {
  const [prefix, after] = [query.get("prefix") ?? "", query.get("start-after")];
  const keys = [...objects.keys()]
    .filter((key) => key.startsWith(prefix) && (after === null || compareKeys(key, after) > 0))
    .toSorted(compareKeys);
  const most = Math.min(page, Number(query.get("max-keys") ?? 1000));
  const found = keys.slice(0, most).map((key) => {
    const { body, etag, at } = objects.get(key) as NonNullable<ReturnType<typeof objects.get>>;
    const facts = [tag("Key", key), tag("Size", String(body.length)), tag("ETag", etag)];
    return `<Contents>${facts.join("")}${tag("LastModified", at.toISOString())}</Contents>`;
  });
  const more = tag("IsTruncated", String(keys.length > most));
  return `<ListBucketResult>${more}${found.join("")}</ListBucketResult>`;
}

export function uploadsXml(
  uploads: ReadonlyMap<string, { readonly key: string; readonly at: Date }>,
  query: URLSearchParams,
  page: number,
): string {
  const prefix = query.get("prefix") ?? "";
  const marker = `${query.get("key-marker") ?? ""}\u0000${query.get("upload-id-marker") ?? ""}`;
  const all = [...uploads]
    .map(([id, upload]) => ({ ...upload, id, place: `${upload.key}\u0000${id}` }))
    .filter(({ key, place }) => key.startsWith(prefix) && (marker === "\u0000" || place > marker))
    .toSorted((a, b) => (a.place < b.place ? -1 : 1));
  const some = all.slice(0, page);
  const found = some.map(
    ({ key, id, at }) =>
      `<Upload>${tag("Key", key)}${tag("UploadId", id)}${tag("Initiated", at.toISOString())}</Upload>`,
  );
  const last = some.at(-1);
  const next =
    last === undefined || some.length === all.length
      ? tag("IsTruncated", "false")
      : `${tag("IsTruncated", "true")}${tag("NextKeyMarker", last.key)}${tag("NextUploadIdMarker", last.id)}`;
  return `<ListMultipartUploadsResult>${next}${found.join("")}</ListMultipartUploadsResult>`;
}

export function deletedKeys(xml: string): readonly string[] {
  return [...xml.matchAll(/<Key>(.*?)<\/Key>/gs)].map(([, key = ""]) =>
    key
      .replaceAll("&lt;", "<")
      .replaceAll("&gt;", ">")
      .replaceAll("&quot;", '"')
      .replaceAll("&apos;", "'")
      .replaceAll(/&#x([0-9a-fA-F]+);/g, (_, code: string) =>
        String.fromCodePoint(parseInt(code, 16)),
      )
      .replaceAll("&amp;", "&"),
  );
}
