// Whom an application may ask: the addresses in a file that `autopilot render` writes, read again at SIGHUP.
import { readFileSync } from "node:fs";

export type Upstreams = {
  /** Asks one after the other, beginning with the next in turn; null: nobody answers. */
  ask(path: string): Promise<unknown>;
  /** The addresses now. */
  list(): readonly string[];
};

/** One that takes longer than this is as good as none: somebody waits for us, too. */
const LIMIT_MS = 1_000;

/** The signal is heard from now on. No file is no upstream: it may come later. */
export function followUpstreams(file: string): Upstreams {
  let addresses = read(file, []);
  let turn = 0;
  process.on("SIGHUP", () => {
    addresses = read(file, addresses);
    console.log(`upstreams: ${addresses.join(", ") || "none"}`);
  });
  return {
    list: () => addresses,
    async ask(path) {
      const now = addresses;
      turn += 1;
      for (let i = 0; i < now.length; i++) {
        const address = now[(turn + i) % now.length] ?? "";
        try {
          const signal = AbortSignal.timeout(LIMIT_MS);
          const answer = await fetch(`http://${address}${path}`, { signal });
          if (answer.ok) return await answer.json();
          console.error(`${address}${path}: ${answer.status}`);
        } catch (error) {
          console.error(`${address}${path}: ${String(error)}`);
        }
      }
      return null;
    },
  };
}

/** What cannot be read changes nothing. */
function read(file: string, before: readonly string[]): readonly string[] {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as readonly string[];
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    console.error(isMissing ? `no upstreams yet in ${file}` : `${file}: ${String(error)}`);
    return before;
  }
}
