// Times for readers.

const STEPS: readonly [unit: Intl.RelativeTimeFormatUnit, seconds: number][] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
];

/** Returns the distance to `now` (milliseconds) in words, such as `2 minutes ago`. Times within 45 s, and those after `now`, are `just now`. */
export function relativeTime(timestamp: string, now: number, format = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })): string {
  const seconds = (now - Date.parse(timestamp)) / 1000;
  if (seconds < 45) return 'just now';
  for (const [unit, length] of STEPS) if (seconds >= length) return format.format(-Math.floor(seconds / length), unit);
  return format.format(-1, 'minute');
}

/** Returns the time in full, in the time zone of the browser. */
export function absoluteTime(timestamp: string, format = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'long' })): string {
  return format.format(new Date(timestamp));
}
