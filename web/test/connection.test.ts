import assert from 'node:assert/strict';
import { test } from 'node:test';
import { advance, announcement, CONNECTING, type ConnectionFacts, describe, type Progress } from '../src/app/state/connection.ts';

const live = (seq: number, epoch = 'e'): ConnectionFacts => ({ status: 'live', connection: 'connected', seq, epoch, head: 0 });
const lost = (seq: number): ConnectionFacts => ({ status: 'stale', connection: 'reconnecting', seq, epoch: 'e', head: 0 });
const joining = (seq: number): ConnectionFacts => ({ status: 'stale', connection: 'connected', seq, epoch: 'e', head: 0 });
const after = (...facts: ConnectionFacts[]): Progress => facts.reduce(advance, CONNECTING);

test('the first listing is not a return', () => {
  const unknown: ConnectionFacts = { status: 'loading', connection: 'connecting', seq: -1, epoch: '', head: 0 };
  assert.equal(after(unknown), CONNECTING);
  assert.equal(after(unknown, joining(128)).phase, 'connecting');
  assert.equal(describe(after(unknown, joining(128), live(128)), 128).text, 'Connected, up to date at 128');
});

test('events while away are counted from the last one that was known', () => {
  assert.equal(describe(after(live(128), lost(128)), 128).text, 'Reconnecting…');
  assert.equal(describe(after(live(128), lost(128), joining(130)), 130).text, 'Catching up after 128…');
  assert.equal(describe(after(live(128), lost(128), joining(130), live(131)), 131).text, 'Caught up at 131: 3 events while away');
  assert.equal(describe(after(live(128), lost(128), live(129)), 129).text, 'Caught up at 129: 1 event while away');
  assert.equal(describe(after(live(128), lost(128), live(128)), 128).text, 'Caught up at 128: nothing happened while away');
});

test('several attempts to reconnect are one absence', () => {
  assert.deepEqual(after(live(5), lost(5), joining(6), lost(6), joining(7), live(8)), { phase: 'caught-up', at: 8, missed: 3 });
});

test('a recovered connection has caught up when the missed events have arrived', () => {
  const recovered = (seq: number, head: number): ConnectionFacts => ({ ...live(seq), head });
  const back = after(live(5), lost(5), recovered(5, Infinity), recovered(6, 7));
  assert.deepEqual(back, { phase: 'catching-up', at: 5, epoch: 'e' });
  assert.deepEqual(advance(back, recovered(7, 7)), { phase: 'caught-up', at: 7, missed: 2 });
  assert.equal(after(live(5), recovered(6, 7)).phase, 'live');
});

test('the next event ends the note of a return', () => {
  const caughtUp = after(live(5), lost(5), live(7));
  assert.equal(advance(caughtUp, live(7)), caughtUp);
  assert.deepEqual(advance(caughtUp, live(8)), { phase: 'live' });
});

test('numbers of another history are not subtracted', () => {
  assert.equal(describe(after(live(128), lost(128), live(3, 'other')), 3).text, 'Caught up at 3: a backup was restored');
});

test('a refused credential is a sign-out, and a cut goes before everything', () => {
  const refused: ConnectionFacts = { status: 'stale', connection: 'unauthorized', seq: 5, epoch: 'e', head: 0 };
  assert.equal(describe(after(live(5), refused), 5).text, 'Signed out');
  assert.equal(describe(after(live(5), lost(5)), 5, 12).text, 'Disconnected by you, back in 12 s');
});

test('announcements do not change with every event', () => {
  assert.equal(announcement(after(live(5)), false), announcement(after(live(5), live(6)), false));
  assert.equal(announcement(after(live(5), lost(5), live(7)), false), 'Caught up at 7: 2 events while away');
});
