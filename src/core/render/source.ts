// What a rendering can depend on, and what each says. A template's own text is a source too.

export type ServiceSelector = {
  readonly service: string;
  readonly tag: string | null;
  /** null: the agent's own datacenter. */
  readonly dc: string | null;
};

export type Source =
  /** The names of all services. */
  | { readonly kind: "names" }
  /** The instances of one, whatever their health. */
  | ({ readonly kind: "instances" } & ServiceSelector)
  /** All keys that begin so. */
  | { readonly kind: "keys"; readonly prefix: string }
  | { readonly kind: "file"; readonly path: string };

export type Answers = {
  readonly names: readonly { readonly name: string; readonly tags: readonly string[] }[];
  readonly instances: readonly {
    readonly node: string;
    readonly id: string;
    readonly name: string;
    readonly address: string;
    readonly port: number;
    readonly tags: readonly string[];
    readonly meta: Readonly<Record<string, string>>;
    readonly status: "passing" | "warning" | "critical";
  }[];
  readonly keys: readonly { readonly key: string; readonly value: string }[];
  /** A file that cannot be read says why. */
  readonly file: { readonly text: string } | { readonly problem: string };
};

/** What is known of a source now; null: not yet anything. Each question says that the answer matters. */
export type Ask = <K extends Source["kind"]>(
  source: Extract<Source, { kind: K }>,
) => Answers[K] | null;

/** One text for each source. */
export function sourceId(source: Source): string {
  switch (source.kind) {
    case "names":
      return "names";
    case "instances":
      return JSON.stringify(["instances", source.service, source.tag, source.dc]);
    case "keys":
      return JSON.stringify(["keys", source.prefix]);
    case "file":
      return JSON.stringify(["file", source.path]);
  }
}

/** For people. */
export function sourceName(source: Source): string {
  switch (source.kind) {
    case "names":
      return "the names of services";
    case "instances": {
      const { service, tag, dc } = source;
      return `service ${tag === null ? "" : `${tag}.`}${service}${dc === null ? "" : `@${dc}`}`;
    }
    case "keys":
      return `key ${source.prefix}`;
    case "file":
      return `file ${source.path}`;
  }
}
