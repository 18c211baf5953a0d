import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JournalEvent } from 'vaultcast-client';
import { earlier, EMPTY, journalEvent, lastChanges, missing, PAGE_SIZE, titles, trimmedAt, withEvents } from '../src/app/state/timeline.ts';

const actor = (name: string) => ({ userId: name, userName: name, role: 'owner' as const });
const source = { id: 'cs', title: 'A paper', fileUrl: 'https://a.example/', mimeType: 'application/pdf', vaultId: 'cv' };
const timestamp = '2026-02-15T10:00:00.000Z';
const created = (seq: number, id = 'cs'): JournalEvent =>
  journalEvent('source:created', { source: { ...source, id, createdAt: timestamp }, actor: actor('Ana'), timestamp, seq });
const updated = (seq: number, by: string, title: string): JournalEvent =>
  journalEvent('source:updated', { source: { ...source, title, updatedAt: timestamp }, actor: actor(by), timestamp, seq });
const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, index) => created(first + index));
const seqs = ({ events }: { events: readonly JournalEvent[] }) => events.map(({ seq }) => seq);

test('events are merged by number, newest first', () => {
  const timeline = withEvents(withEvents(EMPTY, 'e', [created(3)]), 'e', range(1, 3));
  assert.deepEqual(seqs(timeline), [3, 2, 1]);
  assert.equal(timeline.start, 0);
});

test('events of another history replace the timeline', () => {
  assert.deepEqual(seqs(withEvents(withEvents(EMPTY, 'e', range(5, 9)), 'f', [created(2)])), [2]);
});

test('the newest events are requested first', () => {
  assert.equal(missing(EMPTY, { epoch: 'e', seq: 0 }), undefined);
  assert.deepEqual(missing(EMPTY, { epoch: 'e', seq: 3 }), { since: 0, limit: PAGE_SIZE });
  assert.deepEqual(missing(EMPTY, { epoch: 'e', seq: 128 }), { since: 128 - PAGE_SIZE, limit: PAGE_SIZE });
});

test('a gap is requested, wherever it is', () => {
  const head = { epoch: 'e', seq: 12 };
  const timeline = withEvents(EMPTY, 'e', range(5, 8));
  assert.deepEqual(missing(timeline, head), { since: 8, limit: 4 });
  assert.deepEqual(missing(withEvents(timeline, 'e', range(11, 12)), head), { since: 8, limit: 2 });
  assert.equal(missing(withEvents(timeline, 'e', range(9, 12)), head), undefined);
});

test('a gap larger than a page is requested page by page, newest first', () => {
  const timeline = withEvents(EMPTY, 'e', range(1, 2));
  assert.deepEqual(missing(timeline, { epoch: 'e', seq: 200 }), { since: 200 - PAGE_SIZE, limit: PAGE_SIZE });
});

test('earlier events are requested until the first one, or until the journal begins', () => {
  assert.equal(earlier(EMPTY), undefined);
  assert.deepEqual(earlier(withEvents(EMPTY, 'e', range(60, 70))), { since: 59 - PAGE_SIZE, limit: PAGE_SIZE });
  assert.deepEqual(earlier(withEvents(EMPTY, 'e', range(11, 20))), { since: 0, limit: 10 });
  assert.equal(earlier(withEvents(EMPTY, 'e', range(1, 3))), undefined);
  assert.deepEqual(earlier(trimmedAt(withEvents(EMPTY, 'e', range(11, 20)), 7)), { since: 7, limit: 3 });
  assert.equal(earlier(trimmedAt(withEvents(EMPTY, 'e', range(11, 20)), 10)), undefined);
});

test('the last change of a source names its author, and its titles are known', () => {
  const { events } = withEvents(EMPTY, 'e', [created(1), updated(2, 'Ben', 'Better'), created(3, 'other')]);
  assert.deepEqual(lastChanges(events).get('cs'), { kind: 'updated', actor: actor('Ben'), timestamp });
  assert.equal(lastChanges(events).get('other')?.kind, 'added');
  assert.equal(titles(events).get('cs'), 'Better');
});
