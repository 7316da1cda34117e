// Takes registered secrets out of every line that a log writes, whatever field they came in.

// A shorter "secret" would blank out ordinary words.
const SHORTEST_SECRET = 4;

export type Redactor = {
  readonly add: (secret: string) => void;
  readonly clean: (text: string) => string;
};

/** Replaces registered secrets, as they are and as JSON writes them. */
export function makeRedactor(): Redactor {
  const secrets = new Set<string>();
  return {
    add(secret) {
      if (secret.length < SHORTEST_SECRET) return;
      secrets.add(secret).add(JSON.stringify(secret).slice(1, -1));
    },
    clean(text) {
      let cleaned = text;
      for (const secret of secrets) cleaned = cleaned.replaceAll(secret, "***");
      return cleaned;
    },
  };
}
