// The delays before repetitions.

/** Returns the delay before the next attempt, in milliseconds: doubled after each failure, at most tenfold, with jitter. */
export function backoff(first: number, failures: number, retryAfter = 0): number {
  return Math.max(retryAfter, first * Math.min(2 ** (failures - 1), 10) * (0.75 + Math.random() / 2));
}
