import { ACTORS, type Quantiles, type Sample } from '../data/types.ts';

/** One line of a plot. */
export interface Series {
  name: string;
  /** The number of its colour, 1 to 5. */
  colour: number;
  /** Of a sample, or nothing where there was nothing to measure. */
  value: (sample: Sample) => number | undefined;
}

/** The value of a series, or what is shown where it has none. */
export const valueText = (value: number | undefined, format: (value: number) => string) => (value === undefined ? '–' : format(value));

export interface Point {
  /** Milliseconds since 1970. */
  time: number;
  value: number;
}

/** A plotted part of a line: points without a gap between them. */
export type Segment = Point[];

/** Splits a series where it has no value, and where samples are missing. */
export function segments(samples: readonly Sample[], value: Series['value'], intervalMs: number): Segment[] {
  const found: Segment[] = [];
  let last: number | undefined;
  for (const sample of samples) {
    const [time, number] = [Date.parse(sample.time), value(sample)];
    if (number === undefined) {
      last = undefined;
      continue;
    }
    if (last === undefined || time - last > 1.5 * intervalMs) found.push([]);
    found.at(-1)!.push({ time, value: number });
    last = time;
  }
  return found;
}

/** The quantile of the mailbox wait of each kind of actor. */
export const mailboxSeries = (quantile: keyof Quantiles): Series[] =>
  ACTORS.map((actor, index) => ({ name: actor, colour: index + 1, value: (sample) => sample.mailboxWait[actor]?.[quantile] }));

export const COMMIT_SERIES: Series[] = [
  { name: 'p50', colour: 1, value: ({ commit }) => commit?.p50 },
  { name: 'p99', colour: 2, value: ({ commit }) => commit?.p99 },
];

/** The most reasons with a line of their own. */
const MAX_REASONS = 4;

/** A line for each reason of closed sockets, the most frequent first; the rest share one. */
export function closeSeries(samples: readonly Sample[]): Series[] {
  const totals = new Map<string, number>();
  for (const { closesPerSecond, seconds } of samples) {
    for (const [reason, rate] of Object.entries(closesPerSecond)) totals.set(reason, (totals.get(reason) ?? 0) + rate * seconds);
  }
  const reasons = [...totals].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).map(([reason]) => reason);
  const own = reasons.slice(0, MAX_REASONS);
  const lines: Series[] = own.map((reason, index) => ({ name: reason, colour: index + 1, value: ({ closesPerSecond }) => closesPerSecond[reason] ?? 0 }));
  const rest = reasons.slice(MAX_REASONS);
  if (rest.length > 0) {
    const sum = ({ closesPerSecond }: Sample) => rest.reduce((total, reason) => total + (closesPerSecond[reason] ?? 0), 0);
    lines.push({ name: 'other reasons', colour: 5, value: sum });
  }
  return lines.length > 0 ? lines : [{ name: 'all reasons', colour: 1, value: () => 0 }];
}

const one = (name: string, value: Series['value']): Series[] => [{ name, colour: 1, value }];

export const DELIVERY_SERIES = one('deliveries', (sample) => sample.deliveriesPerSecond);
export const MUTATION_SERIES: Series[] = [
  { name: 'committed', colour: 1, value: (sample) => sample.mutationsPerSecond },
  { name: 'refused requests and events', colour: 2, value: (sample) => sample.refusalsPerSecond },
];
export const SOCKET_SERIES: Series[] = [
  { name: 'websocket', colour: 1, value: ({ sockets }) => sockets['websocket'] ?? 0 },
  { name: 'polling', colour: 2, value: ({ sockets }) => sockets['polling'] ?? 0 },
];
export const CPU_SERIES = one('cores', (sample) => sample.cpuCores);
export const MEMORY_SERIES = one('resident', (sample) => sample.memoryBytes);
