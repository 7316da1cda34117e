// Versions of servers and engines. MySQL's are a calendar's since 26.7, and 26.7.0 is newer than 9.7.4: they are compared
// as numbers. A series is what major.minor names: within one, data files and backup tools fit together.

export type Version = { readonly major: number; readonly minor: number; readonly patch: number };

/** The first three numbers of "8.0.35-36", "9.7.4-2", "10.11.18-MariaDB-0+deb12u1"; null: there are none. */
export function parseVersion(text: string): Version | null {
  const [, major, minor, patch] = /(\d{1,4})\.(\d{1,4})\.(\d{1,4})/.exec(text) ?? [];
  if (major === undefined) return null;
  return { major: Number(major), minor: Number(minor), patch: Number(patch) };
}

/** Negative where a is older. */
export function compareVersions(a: Version, b: Version): number {
  return a.major - b.major || a.minor - b.minor || a.patch - b.patch;
}

/** "9.7"; null: not a version. */
export function seriesOf(text: string): string | null {
  const version = parseVersion(text);
  return version === null ? null : `${version.major}.${version.minor}`;
}
