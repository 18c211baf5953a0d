/** Numbers and times as text, short enough for a cell. */

const round = (value: number) => {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return String(Number(value.toFixed(digits)));
};

/** A count: `950`, `12.3 k`, `4.5 M`. */
export function count(value: number): string {
  if (value >= 1e6) return `${round(value / 1e6)} M`;
  if (value >= 1e4) return `${round(value / 1e3)} k`;
  return round(value);
}

/** A whole count with separators: `12,345`. */
export const whole = (value: number) => Math.round(value).toLocaleString('en-US');

/** A time in seconds: `850 µs`, `12.5 ms`, `3.2 s`, `5 min`. */
export function seconds(value: number): string {
  if (value === 0) return '0 s';
  if (value < 1e-3) return `${round(value * 1e6)} µs`;
  if (value < 1) return `${round(value * 1e3)} ms`;
  if (value < 120) return `${round(value)} s`;
  if (value < 7200) return `${round(value / 60)} min`;
  if (value < 172_800) return `${round(value / 3600)} h`;
  return `${round(value / 86_400)} d`;
}

/** A size: `512 B`, `1.5 KiB`, `3.2 MiB`. */
export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${round(value)} ${units[unit]}`;
}

/** A number of events in a second. */
export const perSecond = (value: number) => `${count(value)}/s`;

/** The time since the start: `3 d 4 h`, `2 h 5 min`, `42 s`. */
export function uptime(total: number): string {
  const [days, hours, minutes] = [Math.floor(total / 86_400), Math.floor(total / 3600) % 24, Math.floor(total / 60) % 60];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min` : `${total} s`;
}

/** A time of day with seconds, in the user's zone. */
export const clock = (ms: number) => new Date(ms).toLocaleTimeString('en-GB');

/** The value of a bound with its unit: `1,024 mutations`, `10 s`, `4 MiB`, `100 reads/s`. */
export function boundValue(value: number, unit: string): string {
  if (unit === 'seconds') return seconds(value);
  if (unit === 'bytes') return bytes(value);
  if (unit === 'bytes-per-second') return `${bytes(value)}/s`;
  return `${whole(value)} ${unit.replace('-per-second', '/s')}`;
}
