// The private directory of one image or one unpacking: there while it runs, gone afterwards. What a killed run has left
// goes before the next one; the caller sees to it that one at a time works in a scratch directory.
import { mkdir, mkdtemp, open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

const NAME = "image-";

export type Scratch = AsyncDisposable & { readonly dir: string };

export async function openScratch(below: string): Promise<Scratch> {
  await mkdir(below, { recursive: true, mode: 0o700 });
  for (const name of await readdir(below))
    if (name.startsWith(NAME)) await rm(join(below, name), { recursive: true, force: true });
  const dir = await mkdtemp(join(below, NAME));
  return { dir, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) };
}

/** Makes everything below `dir` durable: contents, names, and `dir` itself. */
export async function syncAll(dir: string): Promise<void> {
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) await syncAll(path);
    else if (entry.isFile()) await sync(path);
  }
  await sync(dir);
}

async function sync(path: string): Promise<void> {
  await using handle = await open(path, "r");
  await handle.sync();
}
