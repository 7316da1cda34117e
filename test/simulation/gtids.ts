// A GTID set that grows in place, for the simulated servers: one more transaction costs nothing, its text is kept.
// It is written from scratch, so that the product's own set arithmetic is not checked by itself.

export class Gtids {
  /** Per uuid: first, last, first, last … sorted, never touching. */
  readonly #intervals = new Map<string, number[]>();
  #text: string | null = "";

  static parse(text: string): Gtids {
    const set = new Gtids();
    for (const part of text.split(",")) {
      const [uuid = "", ...ranges] = part.split(":");
      for (const range of ranges) {
        const [first = 0, last = first] = range.split("-").map(Number);
        set.#intervals.set(uuid, merged(set.#intervals.get(uuid) ?? [], [first, last]));
      }
    }
    set.#text = null;
    return set;
  }

  add(uuid: string, n: number): void {
    const list = this.#intervals.get(uuid);
    if (list === undefined) {
      this.#intervals.set(uuid, [n, n]);
      this.#text = null;
      return;
    }
    const last = list[list.length - 1] as number;
    if (n === last + 1) list[list.length - 1] = n;
    else if (n > last) list.push(n, n);
    else if (!this.has(uuid, n)) this.#insert(uuid, list, n);
    else return;
    this.#text = null;
  }

  has(uuid: string, n: number): boolean {
    const list = this.#intervals.get(uuid);
    if (list === undefined) return false;
    for (let at = list.length - 2; at >= 0; at -= 2) {
      if (n >= (list[at] as number)) return n <= (list[at + 1] as number);
    }
    return false;
  }

  /** The highest number of a uuid, 0 when there is none. */
  last(uuid: string): number {
    return this.#intervals.get(uuid)?.at(-1) ?? 0;
  }

  addAll(other: Gtids): void {
    for (const [uuid, list] of other.#intervals) {
      const mine = this.#intervals.get(uuid);
      if (mine === undefined) this.#intervals.set(uuid, [...list]);
      else this.#intervals.set(uuid, merged(mine, list));
    }
    this.#text = null;
  }

  containsAll(other: Gtids): boolean {
    return other.missingIn(this) === null;
  }

  /** A transaction of this set that the other lacks, as text; null: none. */
  missingIn(other: Gtids): string | null {
    for (const [uuid, list] of this.#intervals) {
      const theirs = other.#intervals.get(uuid) ?? [];
      for (let at = 0; at < list.length; at += 2) {
        let from = list[at] as number;
        const to = list[at + 1] as number;
        for (let i = 0; i < theirs.length && from <= to; i += 2) {
          if ((theirs[i] as number) <= from && (theirs[i + 1] as number) >= from)
            from = (theirs[i + 1] as number) + 1;
        }
        if (from <= to) return `${uuid}:${from}`;
      }
    }
    return null;
  }

  copy(): Gtids {
    const copy = new Gtids();
    copy.addAll(this);
    return copy;
  }

  text(): string {
    if (this.#text !== null) return this.#text;
    const parts = [...this.#intervals.keys()].sort().map((uuid) => {
      let part = uuid;
      const list = this.#intervals.get(uuid) as number[];
      for (let at = 0; at < list.length; at += 2)
        part += list[at] === list[at + 1] ? `:${list[at]}` : `:${list[at]}-${list[at + 1]}`;
      return part;
    });
    this.#text = parts.join(",");
    return this.#text;
  }

  #insert(uuid: string, list: number[], n: number): void {
    this.#intervals.set(uuid, merged(list, [n, n]));
  }
}

function merged(a: readonly number[], b: readonly number[]): number[] {
  const pairs: [number, number][] = [];
  for (const list of [a, b])
    for (let at = 0; at < list.length; at += 2)
      pairs.push([list[at] as number, list[at + 1] as number]);
  pairs.sort((x, y) => x[0] - y[0]);
  const out: number[] = [];
  for (const [first, last] of pairs) {
    const end = out.at(-1);
    if (end === undefined || first > end + 1) out.push(first, last);
    else if (last > end) out[out.length - 1] = last;
  }
  return out;
}
