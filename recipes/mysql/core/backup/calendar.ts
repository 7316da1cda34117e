// Days, weeks and months of UTC as numbers that grow, without a calendar of the machine's.

const DAY_MS = 86_400_000;

/** `ms` since 1970, as everywhere here. */
export function dayOf(ms: number): number {
  return Math.floor(ms / DAY_MS);
}

/** Weeks begin on Monday, and 1970 began on a Thursday. */
export function weekOf(ms: number): number {
  return Math.floor((dayOf(ms) + 3) / 7);
}

/** By the years of the Gregorian calendar that begin in March, so that the day of a leap year is their last. */
export function monthOf(ms: number): number {
  const days = dayOf(ms) + 719_468;
  const era = Math.floor(days / 146_097);
  const ofEra = days - era * 146_097;
  const leaps = Math.floor(ofEra / 1460) - Math.floor(ofEra / 36_524) + Math.floor(ofEra / 146_096);
  const year = Math.floor((ofEra - leaps) / 365);
  const ofYear = ofEra - (365 * year + Math.floor(year / 4) - Math.floor(year / 100));
  const month = Math.floor((5 * ofYear + 2) / 153);
  return (era * 400 + year) * 12 + month;
}
