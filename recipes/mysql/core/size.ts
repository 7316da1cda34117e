// Sizes as people write them: "64KiB", "512MiB", "1.5GiB", "2TiB". A bare number is refused, as with durations.

const UNITS = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 } as const;
type Unit = keyof typeof UNITS;

/** Bytes, whole; null when the text is no size. */
export function parseSize(text: string): number | null {
  const [, number = "", unit = ""] = /^(\d+(?:\.\d+)?)(KiB|MiB|GiB|TiB)$/.exec(text) ?? [];
  return unit === "" ? null : Math.round(Number(number) * UNITS[unit as Unit]);
}

/** In the largest unit that leaves at least 1, with one decimal where it says something: 1536 → "1.5 KiB". */
export function formatSize(bytes: number): string {
  const fits = (Object.keys(UNITS) as Unit[]).findLast((unit) => bytes >= UNITS[unit]);
  if (fits === undefined) return `${Math.round(bytes)} B`;
  return `${Number((bytes / UNITS[fits]).toFixed(1))} ${fits}`;
}
