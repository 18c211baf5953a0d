import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boundValue, bytes, count, seconds, uptime } from '../src/operators/data/format.ts';
import { problems } from '../src/operators/data/problems.ts';
import { nextSnapshot, recentHits, type Answers, type Snapshot } from '../src/operators/data/snapshot.ts';
import type { Bound, LiveVault, Sample } from '../src/operators/data/types.ts';

const START = Date.parse('2026-01-01T12:00:00.000Z');

function sample(second: number, changes: Partial<Sample> = {}): Sample {
  return {
    time: new Date(START + second * 1000).toISOString(),
    seconds: 5, sockets: {}, subscribers: 0, deliveriesPerSecond: 0, mutationsPerSecond: 0, mailboxWait: {}, closesPerSecond: {},
    refusalsPerSecond: 0, memoryBytes: 0, cpuCores: 0, ...changes,
  };
}

const vault = (changes: Partial<LiveVault>): LiveVault => ({
  vaultId: 'cphysics01', seq: 1, subscribers: 0, depth: 0, capacity: 100, oldestWaitMs: 0, inFlight: 0, idleMs: 0, arbiter: 0, ...changes,
});
const bound = (changes: Partial<Bound>): Bound => ({ key: 'limits.reads_per_second', what: 'HTTP reads of one user', value: 100, unit: 'reads-per-second', hits: 0, outcome: '429', ...changes });

interface Facts { startedAt?: string; stopping?: boolean; panics?: number; stalledThreads?: { thread: string; seconds: number }[] }

function answers({ service = {}, samples = [], vaults = [], bounds = [], health = { ready: true } }: { service?: Facts; samples?: Sample[]; vaults?: LiveVault[]; bounds?: Bound[]; health?: Answers['health'] } = {}): Answers {
  const facts = { node: 'a:1', version: '1', startedAt: 'first', uptimeSeconds: 1, stopping: false, panics: 0, stalledThreads: [], ...service };
  return { health, actors: { vaults, totals: { vaults: vaults.length, sockets: 0, subscribers: 0 } }, history: { service: facts, intervalSeconds: 5, samples }, bounds };
}

const snapshot = (parts: Parameters<typeof answers>[0], second = 0, before?: Snapshot) => nextSnapshot(before, answers(parts), START + second * 1000);
const titles = (of: Snapshot) => problems(of).map(({ tone, title }) => `${tone}: ${title}`);

test('new samples follow the kept ones, and those of more than 15 minutes ago are dropped', () => {
  let now = snapshot({ samples: [sample(0), sample(5)] });
  now = snapshot({ samples: [sample(5), sample(10)] }, 10, now);
  assert.deepEqual(now.samples.map(({ time }) => Date.parse(time) - START), [0, 5000, 10_000]);
  now = snapshot({ samples: [sample(905)] }, 905, now);
  assert.deepEqual(now.samples.map(({ time }) => Date.parse(time) - START), [10_000, 905_000]);
});

test('a process that started anew has no earlier samples and no earlier hits', () => {
  const before = snapshot({ samples: [sample(0)], bounds: [bound({ hits: 50 })] });
  const after = snapshot({ service: { startedAt: 'second' }, samples: [sample(5)], bounds: [bound({ hits: 2 })] }, 5, before);
  assert.equal(after.samples.length, 1);
  assert.equal(recentHits(after, after.bounds[0]!), 0);
});

test('hits of the last minute are recent', () => {
  let now = snapshot({ bounds: [bound({ hits: 5 })] });
  now = snapshot({ bounds: [bound({ hits: 8 })] }, 30, now);
  assert.equal(recentHits(now, now.bounds[0]!), 3);
  assert.deepEqual(titles(now), ['warn: limits.reads_per_second was reached 3 times in the last minute']);
  now = snapshot({ bounds: [bound({ hits: 8 })] }, 61, now);
  assert.equal(recentHits(now, now.bounds[0]!), 0);
  assert.deepEqual(titles(now), []);
});

test('a calm service has no problem', () => {
  assert.deepEqual(titles(snapshot({ samples: [sample(0)], vaults: [vault({ depth: 10 })], bounds: [bound({ level: 10 })] })), []);
});

test('problems are named, the worst first', () => {
  const found = titles(snapshot({
    health: { ready: false, reason: 'The database does not answer' },
    service: { panics: 1, stalledThreads: [{ thread: 'vault 0', seconds: 7 }] },
    samples: [sample(0, { commit: { p50: 0.1, p99: 0.8 }, mailboxWait: { committer: { p50: 1, p99: 2 } }, closesPerSecond: { slow: 0.6 } })],
    vaults: [vault({ depth: 85 }), vault({ vaultId: 'cfull0001', depth: 100, oldestWaitMs: 6000 })],
    bounds: [bound({ key: 'server.max_connections', what: 'open connections', value: 100, level: 95 })],
  }));
  assert.deepEqual(found, [
    'bad: Not ready: The database does not answer',
    'bad: Thread “vault 0” is stalled',
    'bad: 1 panic since the start',
    'bad: The queue of vault cfull0001 is full, and of 1 other vault',
    'warn: A mutation has waited for 6 s',
    'warn: 3 slow readers closed in the last minute',
    'warn: Commits are slow: p99 800 ms',
    'warn: Messages wait long for the committer: p99 2 s',
    'warn: Open connections: nearly at the bound',
  ]);
});

test('a service that stops is not also called not ready', () => {
  assert.deepEqual(titles(snapshot({ health: { ready: false, reason: 'The service is about to stop' }, service: { stopping: true } })), ['warn: The service is about to stop']);
});

test('numbers are short and have their unit', () => {
  assert.deepEqual([0, 0.000_02, 0.0125, 3.21, 600, 86_400 * 30].map(seconds), ['0 s', '20 µs', '12.5 ms', '3.21 s', '10 min', '30 d']);
  assert.deepEqual([0, 0.4, 950, 12_340, 4_500_000].map(count), ['0', '0.4', '950', '12.3 k', '4.5 M']);
  assert.deepEqual([0, 512, 1536, 4_194_304].map(bytes), ['0 B', '512 B', '1.5 KiB', '4 MiB']);
  assert.deepEqual([42, 300, 7500, 273_600].map(uptime), ['42 s', '5 min', '2 h 5 min', '3 d 4 h']);
  assert.equal(boundValue(1024, 'mutations'), '1,024 mutations');
  assert.equal(boundValue(100, 'reads-per-second'), '100 reads/s');
  assert.equal(boundValue(4_000_000, 'bytes-per-second'), '3.81 MiB/s');
});
