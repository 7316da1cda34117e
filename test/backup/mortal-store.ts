// A store whose user is killed at one of its writes: nothing of what he would have done afterwards is done.
import type { ObjectStore } from "../../src/ports.ts";

/** Ends with its `count`th write: before it, or when it was done and nobody heard. */
export function mortal(store: ObjectStore, count: number, heard: boolean) {
  let left = count;
  const dead = new Error("killed");
  const write = async <T>(work: () => Promise<T>): Promise<T> => {
    left -= 1;
    if (left < 0 || (left === 0 && !heard)) throw dead;
    const done = await work();
    if (left === 0) throw dead;
    return done;
  };
  const wrapped: ObjectStore = {
    ...store,
    put: (...args) => write(() => store.put(...args)),
    delete: (keys) => (keys.length === 0 ? Promise.resolve() : write(() => store.delete(keys))),
    upload: (...args) => {
      const upload = store.upload(...args);
      return {
        write: (chunk) => upload.write(chunk),
        finish: (condition) => write(() => upload.finish(condition)),
        abort: () => upload.abort(),
        // Killed, it aborts nothing: a sweep does.
        [Symbol.asyncDispose]: () => (left <= 0 ? Promise.resolve() : upload.abort()),
      };
    },
  };
  return { store: wrapped, dead };
}
