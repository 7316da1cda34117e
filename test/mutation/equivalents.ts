// Wrong versions of the core that change nothing which can be seen, each with the reason. `npm run mutants:core` refuses an
// entry that a test notices after all.
export const EQUIVALENTS: readonly { readonly id: string; readonly why: string }[] = [];
