/** What the admin listener answers; docs/operations/browser.md describes the fields. */

export interface LiveVault {
  vaultId: string;
  seq: number;
  subscribers: number;
  depth: number;
  capacity: number;
  oldestWaitMs: number;
  inFlight: number;
  idleMs: number;
  arbiter: number;
}

export interface LiveVaultList {
  vaults: LiveVault[];
  totals: { vaults: number; sockets: number; subscribers: number };
}

export interface Quantiles {
  p50: number;
  p99: number;
}

export const ACTORS = ['vault', 'relay', 'session', 'committer'] as const;
export type Actor = (typeof ACTORS)[number];

export interface Sample {
  time: string;
  seconds: number;
  sockets: Record<string, number>;
  subscribers: number;
  deliveriesPerSecond: number;
  mutationsPerSecond: number;
  mailboxWait: Partial<Record<Actor, Quantiles>>;
  commit?: Quantiles;
  closesPerSecond: Record<string, number>;
  refusalsPerSecond: number;
  memoryBytes: number;
  cpuCores: number;
}

export interface ServiceFacts {
  node: string;
  version: string;
  startedAt: string;
  uptimeSeconds: number;
  stopping: boolean;
  panics: number;
  stalledThreads: { thread: string; seconds: number }[];
}

export interface History {
  service: ServiceFacts;
  intervalSeconds: number;
  samples: Sample[];
}

export interface Bound {
  key: string | null;
  what: string;
  value: number | null;
  unit: string;
  level?: number;
  highWater?: number;
  hits?: number;
  outcome: string;
}

/** Whether the service accepts work, and if not, why. */
export type Health = { ready: true } | { ready: false; reason: string };
export type SortKey = 'wait' | 'depth' | 'subscribers' | 'inFlight' | 'seq' | 'idle' | 'vault';
