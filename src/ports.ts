// The outside world as small interfaces. Each has a fake or embedded twin, and one contract suite that runs on both.
// Nothing here knows Consul, MySQL or S3: adapters implement these, recipes and the runtime use them.

/** Monotonic time. Wall clocks decide nothing here: they are only printed. */
export interface Clock {
  /** Milliseconds on this process's monotonic clock, from an arbitrary origin. */
  now(): number;
  /** The wall clock, ms since 1970: printed, and compared with now() to notice a machine that was suspended. */
  wall(): number;
  /** Resolves after `ms`, or rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** One key of the store. */
export type KvEntry = {
  readonly key: string;
  readonly value: string;
  /** Modify index: grows with every write of this key; what `cas` compares. */
  readonly index: number;
  /** The session that holds the key as a lock, or null. */
  readonly session: string | null;
};

/** One operation of a transaction. All of a `commit` happen, or none. */
export type KvOp =
  | { readonly do: "set"; readonly key: string; readonly value: string }
  /** `index` 0 means: only if the key does not exist. */
  | { readonly do: "cas"; readonly key: string; readonly value: string; readonly index: number }
  /** Takes the key as a lock; fails when another session holds it. Repeating it by the holder succeeds. */
  | { readonly do: "lock"; readonly key: string; readonly value: string; readonly session: string }
  | {
      readonly do: "unlock";
      readonly key: string;
      readonly value: string;
      readonly session: string;
    }
  /** Fails unless `session` holds the key now. */
  | { readonly do: "check-session"; readonly key: string; readonly session: string }
  | { readonly do: "delete"; readonly key: string }
  | { readonly do: "delete-cas"; readonly key: string; readonly index: number }
  | { readonly do: "delete-tree"; readonly key: string };

/** `ok: false` is an expected outcome (the world moved); a lost answer is an UnavailableError: then it is not known. */
export type Commit =
  | { readonly ok: true; readonly entries: readonly KvEntry[] }
  | { readonly ok: false; readonly why: string };

export type Read = {
  /** Linearizable: the store's leader confirms that it still leads. Default: the leader's word. */
  readonly consistent?: boolean;
};

/** Key-value store with atomic transactions and blocking watches. Errors: UnavailableError, ConfigError (token). */
export interface Kv {
  get(key: string, read?: Read): Promise<KvEntry | null>;
  /** All keys with this prefix, in key order; [] when there are none. */
  list(prefix: string, read?: Read): Promise<readonly KvEntry[]>;
  /** At most 64 operations (Consul's limit). */
  commit(ops: readonly KvOp[]): Promise<Commit>;
  /**
   * Calls back with all entries below `prefix` (an exact key is a prefix too) once at the start and after each
   * change, by blocking query. Failures back off and go on; `onError` hears of each. Ends when `signal` aborts.
   */
  watch(prefix: string, watcher: KvWatcher): Promise<void>;
}

/** Hears what is watched. `onChange` must not throw: that would end the watch. */
export type Watcher<T> = {
  readonly signal: AbortSignal;
  readonly onChange: (now: T) => void;
  readonly onError: (error: unknown) => void;
};

export type KvWatcher = Watcher<readonly KvEntry[]>;

/** What one agent announces in discovery. Its TTL check carries the session. */
export type Service = {
  /** Unique on the Consul agent. */
  readonly id: string;
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
};

/** What may be said at a registration beside the service itself. */
export type Registration = {
  /** Of the check, until it is reported otherwise. Default critical. */
  readonly status?: Instance["status"];
  /** Others may change its tags in the catalogue. */
  readonly enableTagOverride?: boolean;
  /** The catalogue drops it after being critical for this long: a duration as Consul reads it ("90m"). */
  readonly dropAfter?: string;
};

/** A found instance. Its id is unique on its node only. */
export type Instance = Service & {
  /** The catalogue's name of the node that it is registered on. */
  readonly node: string;
  readonly status: "passing" | "warning" | "critical";
};

/** Which instances are wanted. */
export type ServiceSelector = {
  readonly service: string;
  readonly tag?: string;
  /** Another datacenter than the agent's own. */
  readonly dc?: string;
  /** Only those whose checks all pass. */
  readonly passingOnly?: boolean;
};

/** A service's name, and every tag that some instance of it has, in order. */
export type ServiceName = { readonly name: string; readonly tags: readonly string[] };

/** The catalogue of services, without a check of their own unless `ttlSeconds` says so. */
export interface Directory {
  /** Idempotent: repeating it with other tags replaces them. `ttlSeconds` null: no check. */
  register(service: Service, ttlSeconds: number | null, more?: Registration): Promise<void>;
  deregister(id: string): Promise<void>;
  /** Marks the service's TTL check. Errors: ConflictError when the agent does not know it. */
  report(id: string, status: "passing" | "warning" | "critical", note: string): Promise<void>;
  instances(
    name: string,
    read?: Read & { readonly passing?: boolean },
  ): Promise<readonly Instance[]>;
  /**
   * Calls back with the selected instances, by node and id, once at the start and after each change that an Instance
   * shows. By blocking query; failures back off and go on, and `onError` hears of each. Ends when `signal` aborts.
   */
  watch(selector: ServiceSelector, watcher: Watcher<readonly Instance[]>): Promise<void>;
  /** The same of the names of all services, by name. Health does not matter to it. */
  watchNames(watcher: Watcher<readonly ServiceName[]>): Promise<void>;
}

/** Sessions: the liveness tokens that hold locks. */
export interface Leaser {
  /** Opens a session that falls with the TTL check of service `serviceId`, and with its own `ttlSeconds` (≥ 10). */
  open(session: {
    readonly name: string;
    readonly serviceId: string;
    readonly ttlSeconds: number;
  }): Promise<string>;
  /** False: the session is gone. */
  renew(session: string): Promise<boolean>;
  /** Ends any session, also another's; its locks are released at once. Idempotent. */
  destroy(session: string): Promise<void>;
}

/** What the lease keeper believes now. Published by its thread, read by the loop. */
export type LeaseView = {
  /** The current session, or null before the first and between two. */
  readonly session: string | null;
  /** Until when, on our monotonic clock, this belief is good. Counted from before the request that proved it. */
  readonly goodUntil: number;
  /** Until when the held key is ours; null: not held, or not asked to hold. */
  readonly heldUntil: number | null;
  /** Why the last beat failed, or null. */
  readonly error: string | null;
};

/** The lease: a session kept alive from a thread of its own, and the one key that it may hold. */
export interface Lease extends AsyncDisposable {
  view(): LeaseView;
  /**
   * From now on re-acquire this key with each renewal, or (null) no key. Resolves when no acquire of an earlier call is
   * under way any more: only then may the caller release the key, or a late acquire would take it back. Never rejects.
   */
  hold(key: { readonly key: string; readonly value: string } | null): Promise<void>;
  /** The main loop is alive. Without it for 5 s the keeper stops passing the check. */
  tick(): void;
  /** Changes what the service announces; takes effect with the next beat at once. */
  announce(service: {
    readonly tags: readonly string[];
    readonly meta: Readonly<Record<string, string>>;
  }): void;
}

/** One object as its store knows it. */
export type ObjectInfo = {
  readonly key: string;
  readonly bytes: number;
  /** Names this content of the key for `ifMatch`; means nothing beyond its store. */
  readonly etag: string;
  /** By the store's clock, ms since 1970. */
  readonly modifiedAt: number;
};

/** When a write may happen; otherwise it is a ConflictError AP_OBJECTS_CONFLICT and nothing is written. */
export type WriteCondition =
  /** Only if there is no such object. */
  | { readonly ifNoneMatch: true }
  /** Only if the object has this etag. */
  | { readonly ifMatch: string };

/** A piece of an object, with what its bytes hash to (hex). */
export type ObjectPart = { readonly bytes: number; readonly sha256: string };

/** What was written. */
export type Written = Omit<ObjectInfo, "modifiedAt">;

/** What was uploaded: the whole and its parts, in order. */
export type Uploaded = Written & {
  readonly sha256: string;
  readonly parts: readonly ObjectPart[];
};

/** An upload that was begun and neither finished nor aborted. */
export type UnfinishedUpload = {
  readonly key: string;
  readonly id: string;
  /** By the store's clock, ms since 1970. */
  readonly startedAt: number;
};

/** One page of a list, in key order; `next` is for the following call, null: there is no more. */
export type Page<T> = { readonly items: readonly T[]; readonly next: string | null };

/** One object that is being written. Until `finish` it does not exist; disposing of it before aborts it. */
export interface Upload extends AsyncDisposable {
  /** Takes all of `chunk`, which is the caller's again when this resolves; waits while the store is slower. */
  write(chunk: Uint8Array): Promise<void>;
  /**
   * Sends the last part, which was withheld, and makes the object appear, whole: the caller knows that its source is.
   * To be awaited before the upload is disposed of. A ConflictError also when another writer replaced it at once.
   */
  finish(condition?: Extract<WriteCondition, { readonly ifNoneMatch: true }>): Promise<Uploaded>;
  /** Leaves nothing behind. Idempotent. */
  abort(): Promise<void>;
}

/**
 * A bucket, or a directory. Writes appear whole or not at all, and every read that begins later sees them. Keys:
 * src/core/object-key.ts; none is another's folder. Errors: codes AP_OBJECTS_*; what may pass is tried again before.
 */
export interface ObjectStore extends AsyncDisposable {
  /** Printable, without secrets. */
  readonly name: string;
  /** At most `limit` (1000) objects whose key begins with `prefix`, after the key `after`, by the bytes of the keys. */
  list(
    prefix: string,
    page?: { readonly after?: string; readonly limit?: number },
  ): Promise<Page<ObjectInfo>>;
  /** Null: there is none. */
  head(key: string): Promise<ObjectInfo | null>;
  /** A whole small object (at most 16 MiB), or null. */
  get(key: string): Promise<{ readonly info: ObjectInfo; readonly body: Buffer } | null>;
  /**
   * A large object in order, read by parallel ranges that are resumed on error; the buffers are the caller's. With the
   * `parts` that it was uploaded in, no byte is handed out before its part's hash was found right.
   */
  read(
    key: string,
    how?: { readonly parts?: readonly ObjectPart[]; readonly signal?: AbortSignal },
  ): AsyncGenerator<Buffer, void>;
  /** Writes a whole small object (at most 16 MiB). */
  put(key: string, body: Uint8Array, condition?: WriteCondition): Promise<Written>;
  /** Any number of keys; those that do not exist are fine. */
  delete(keys: readonly string[]): Promise<void>;
  /** Begins to write an object of about `estimate` bytes: parts are sized by it, unless `partBytes` says how large. */
  upload(
    key: string,
    how?: {
      readonly estimate?: number;
      readonly partBytes?: number;
      readonly signal?: AbortSignal;
    },
  ): Upload;
  /** What was begun below `prefix` and neither finished nor aborted: also what is under way elsewhere. */
  unfinished(prefix: string, next?: string): Promise<Page<UnfinishedUpload>>;
  abortUnfinished(upload: UnfinishedUpload): Promise<void>;
}
