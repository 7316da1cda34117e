// Wrong versions of the core that change nothing which can be seen, each with the reason. `npm run mutants:core` refuses an
// entry that a test notices after all, or that is gone.
const CANDIDATE = "recipes/mysql/core/candidate.ts";
const CHOICE = "recipes/mysql/core/choice.ts";

const ELECTING = "recipes/mysql/core/electing.ts";
const MEMBERSHIP = "recipes/mysql/core/membership.ts";
const NOTE = "recipes/mysql/core/note.ts";

export const EQUIVALENTS: readonly { readonly id: string; readonly why: string }[] = [
  {
    id: `${CANDIDATE} rank: server === null || markerUuid === null || me.uuid === null → (server === null || markerUuid === null)`,
    why: "a rank is asked only of a voter, and a voter has a uuid",
  },
  {
    id: `${CANDIDATE} rank: peer.uuid === me.uuid || peer.uuid === last → (peer.uuid === last)`,
    why: "this node's own record never holds more than it holds itself, and its uuid is not below its own",
  },
  {
    id: `${CANDIDATE} rank: peer.joined > mine.joined → peer.joined >= mine.joined`,
    why: "the two differ here",
  },
  {
    id: `${CANDIDATE} rank: peer.priority > me.priority → peer.priority >= me.priority`,
    why: "the two differ here",
  },
  {
    id: `${CANDIDATE} judge: promises.filter((p) => p.uuid !== state.prevPrimary) → promises`,
    why: "where the last primary's promise is among them, it is enough by itself",
  },
  {
    id: `${CANDIDATE} lacking: isEmpty(rest) ? "" : formatGtidSet(rest) → (formatGtidSet(rest))`,
    why: "the text of an empty set is empty",
  },
  { id: `${CHOICE} choose: sets[0] ?? [] → ([])`, why: "a union with the empty set" },
  {
    id: `${CHOICE} prefer: a.uuid < b.uuid → a.uuid <= b.uuid`,
    why: "no two promises of an epoch have one uuid",
  },
  {
    id: `${ELECTING} freeLock: !holdsLock(o) || o.primacy !== null → (!holdsLock(o))`,
    why: "a primacy whose server does not run has ended one rung above",
  },
  {
    id: `${MEMBERSHIP} present: connected(seen, uuid) && seen.o.absentSince[uuid] === undefined → (seen.o.absentSince[uuid] === undefined)`,
    why: "observe.ts counts every voter without a dump thread as absent, in the same look",
  },
  {
    id: `${NOTE} noting: before.ver > state.ver → before.ver >= state.ver`,
    why: "two states of one version are one state",
  },
];
