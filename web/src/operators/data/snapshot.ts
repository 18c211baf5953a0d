import type { Bound, Health, LiveVaultList, Sample, ServiceFacts } from './types.ts';

/** The length of the history in milliseconds. */
export const HISTORY_MS = 15 * 60_000;

/** Everything that one poll found, and what earlier polls of the same process found. */
export interface Snapshot {
  /** When the answers arrived, in milliseconds since 1970. */
  at: number;
  health: Health;
  actors: LiveVaultList;
  service: ServiceFacts;
  intervalMs: number;
  /** The samples of the last 15 minutes, the oldest first. */
  samples: Sample[];
  bounds: Bound[];
  /** How often each bound had been reached at earlier polls of the last minute, the oldest first. */
  earlierHits: { at: number; hits: ReadonlyMap<string, number> }[];
}

export interface Answers {
  health: Health;
  actors: LiveVaultList;
  history: { service: ServiceFacts; intervalSeconds: number; samples: Sample[] };
  bounds: Bound[];
}

/** The time over which hits of a bound are counted as recent. */
export const RECENT_MS = 60_000;

export const boundId = (bound: Bound) => bound.key ?? bound.what;

/** Returns the snapshot after these answers. A process that started anew has no earlier samples. */
export function nextSnapshot(before: Snapshot | undefined, answers: Answers, at: number): Snapshot {
  const { health, actors, history, bounds } = answers;
  const continues = before?.service.startedAt === history.service.startedAt;
  const kept = continues ? before.samples : [];
  const lastTime = kept.at(-1)?.time ?? '';
  const samples = [...kept, ...history.samples.filter(({ time }) => time > lastTime)];
  const end = Date.parse(samples.at(-1)?.time ?? '');
  const hits = new Map(bounds.map((bound) => [boundId(bound), bound.hits ?? 0]));
  const earlier = continues ? before.earlierHits : [];
  return {
    at,
    health,
    actors,
    service: history.service,
    intervalMs: history.intervalSeconds * 1000,
    samples: samples.filter(({ time }) => Date.parse(time) > end - HISTORY_MS),
    bounds,
    earlierHits: [...earlier.filter((entry) => entry.at > at - RECENT_MS), { at, hits }],
  };
}

/** Returns how often a bound was reached in the last minute, as far as the page has seen it. */
export function recentHits(snapshot: Snapshot, bound: Bound): number {
  const first = snapshot.earlierHits[0]?.hits.get(boundId(bound)) ?? 0;
  return Math.max(0, (bound.hits ?? 0) - first);
}
