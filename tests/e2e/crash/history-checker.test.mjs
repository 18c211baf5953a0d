// Tests the history checker: with a history without contradictions, and with the same history and one error at a time, of which it
// must report exactly the contradictions.
// Independent of the database: runs once, on SQLite.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WireLog } from '../wire-log.mjs';
import { checkHistory, checkReceivedEvents, findMissingMutations, signatureOf } from './history-checker.mjs';

const ana = { userId: 'ana', userName: 'Ana', role: 'owner' };
const TIME = '2026-02-15T10:00:00.000Z';
const LATER = '2026-02-15T10:00:01.000Z';

const paper = (id, title) => ({ id, title, vaultId: 'v' });
const created = (seq, id, title) => ({ seq, event: 'source:created', payload: { source: { ...paper(id, title), createdAt: TIME }, actor: ana, timestamp: TIME, seq } });
const updated = (seq, id, title) => ({ seq, event: 'source:updated', payload: { source: { ...paper(id, title), updatedAt: LATER }, actor: ana, timestamp: LATER, seq } });
const deleted = (seq, id) => ({ seq, event: 'source:deleted', payload: { sourceId: id, vaultId: 'v', actor: ana, timestamp: LATER, seq } });
const memberAdded = (seq, userId) => ({ seq, event: 'member:added', payload: { member: { userId, userName: userId, role: 'viewer' }, vaultId: 'v', actor: ana, timestamp: TIME, seq } });

const sendEvent = ({ event, seq, payload }) => `42${JSON.stringify([event, payload, `${seq}.v`])}`;
const sendJoined = (seq, since) => `42${JSON.stringify(['vault:joined', { vaultId: 'v', seq, ...(since !== undefined && { replayed: seq - since }) }, `j${seq}.v`])}`;
const requestJoin = (since) => `42${JSON.stringify(['vault:join', { vaultId: 'v', since }])}`;

/** Records one new connection that joins from the start and is sent these events. */
function wireOf(events) {
  const wire = new WireLog();
  const start = events[0].seq - 1;
  wire.recordClientPacket('s1', '40{"token":"t"}');
  wire.recordServerPacket('s1', '40{"sid":"i1","pid":"p1"}');
  wire.recordClientPacket('s1', requestJoin(start));
  wire.recordServerPacket('s1', sendJoined(start, start));
  for (const event of events) wire.recordServerPacket('s1', sendEvent(event));
  return wire;
}

/** Two of three sources remain, one of them updated; one guest was added; one subscriber is early and one late. */
function validHistory() {
  const journal = [created(1, 'a', 'one'), created(2, 'b', 'two'), updated(3, 'a', 'one again'), deleted(4, 'b'), memberAdded(5, 'guest'), created(6, 'c', 'three')];
  const mutation = (event, outcome, fields) => ({ vault: 'v', signature: signatureOf(event), actorId: 'ana', outcome, ...fields });
  const acknowledged = (event, response) => mutation(event, 'acknowledged', { seq: event.seq, response });
  const [first, second, update, deletion, guest, third] = structuredClone(journal);
  const updatedSource = { ...paper('a', 'one again'), createdAt: TIME, updatedAt: LATER };
  const sources = [updatedSource, { ...paper('c', 'three'), createdAt: TIME, updatedAt: TIME }];
  return {
    vaults: [
      {
        id: 'v', owner: 'ana', name: 'V', journal, earlierJournal: [first, second],
        listing: { sources, members: [{ userId: 'ana', role: 'owner' }, { userId: 'guest', role: 'viewer' }], name: 'V', seq: 6 },
      },
    ],
    createdVaults: [{ id: 'w', name: 'W' }],
    foundVaults: [{ id: 'w', name: 'W' }],
    mutations: [
      acknowledged(first, { source: { ...paper('a', 'one'), createdAt: TIME, updatedAt: TIME } }),
      acknowledged(second),
      mutation(update, 'unknown'),
      mutation(deletion, 'applied'),
      acknowledged(guest, { member: { userId: 'guest', role: 'viewer' } }),
      acknowledged(third),
      mutation(created(0, 'x', 'refused'), 'refused'),
      mutation(created(0, 'x', 'not applied'), 'unknown'),
    ],
    subscribers: [
      {
        name: 'early', resyncs: [],
        connections: [{ run: 1, isJoined: true }, { run: 1, isJoined: true, recovered: true }, { run: 2, recovered: false }],
        subscriptions: [{ vault: 'v', startSeq: 0, events: structuredClone(journal) }], wire: wireOf(journal),
      },
      {
        name: 'late', resyncs: [], connections: [{ run: 2 }],
        subscriptions: [{ vault: 'v', startSeq: 2, events: structuredClone(journal.slice(2)), listedSources: [first, second].map(({ payload }) => ({ ...payload.source, updatedAt: TIME })) }],
        wire: wireOf(journal.slice(2)),
      },
    ],
    exits: new Map([[1, 'killed'], [2, 'stopped']]),
  };
}

test('a history without contradictions gives no report', () => {
  assert.deepEqual(checkHistory(validHistory()), []);
});

/** Each error: a function that puts it into the history, and one pattern for each expected report. */
const ERRORS = {
  'an acknowledged mutation is missing': [({ vaults: [{ journal, listing }], subscribers }) => {
    journal.pop();
    Object.assign(listing, { seq: 5, sources: listing.sources.slice(0, 1) });
    for (const { subscriptions: [{ events }] } of subscribers) events.pop();
  }, [/v: source:created three was acknowledged at 6, but is missing/]],
  'the journal has a gap': [({ vaults: [{ journal }] }) => journal.splice(4, 1), [
    /the journal has 6 after 4/, /member:added guest viewer was acknowledged at 5, but is missing/, /early received .*guest.*, which the journal lacks/,
    /late received .*guest.*, which the journal lacks/, /the replay has undefined, but the service lists .*guest/,
  ]],
  'another event is at the position of an acknowledged one': [({ vaults: [{ journal }], subscribers }) => {
    for (const events of [journal, ...subscribers.map(({ subscriptions: [{ events }] }) => events)]) events.at(-1).payload.source.title = 'drei';
  }, [
    /source:created three was acknowledged at 6, where the journal has .*drei/, /the replay has .*drei.*, but the service lists .*three/,
    /the list of late has .*drei.*, but the service lists .*three/,
  ]],
  'a response differs from its event': [({ mutations }) => (mutations[0].response.source.title = 'uno'), [/source:created one was acknowledged with title "uno", but event 1 has "one"/]],
  'two mutations were acknowledged with the same seq': [({ mutations }) => mutations.push({ ...mutations[1] }), [/source:created two was acknowledged at 2, and so was source:created two/]],
  'an event has another actor': [({ mutations }) => (mutations[1].actorId = 'ben'), [/source:created two was requested by ben, but event 2 has the actor ana/]],
  'an acknowledged mutation was applied twice': [({ mutations, ...rest }) => append(rest, created(7, 'd', 'three')), [/source:created three was acknowledged at 6, but is in the journal at 7 as well/]],
  'a refused mutation is in the journal': [(history) => append(history, created(7, 'd', 'refused')), [/source:created refused was refused, but is in the journal at 7/]],
  'an unknown mutation was applied twice': [(history) => [7, 8].forEach((seq) => append(history, created(seq, `d${seq}`, 'not applied'))), [/source:created not applied is in the journal at 8, but was not requested/]],
  'an event was not requested': [(history) => append(history, created(7, 'd', 'a phantom')), [/source:created a phantom is in the journal at 7, but was not requested/]],
  'an applied mutation is missing': [({ mutations }) => mutations.push({ ...mutations[3], signature: 'source:deleted c' }), [/source:deleted c was applied according to the service, but is missing/]],
  'the journal was rewritten': [({ vaults: [{ earlierJournal }] }) => (earlierJournal[1].payload.source.title = 'zwei'), [/the journal had .*zwei.*, and now has .*two/]],
  'the journal is shorter than before': [({ vaults: [{ earlierJournal }] }) => earlierJournal.push(...validHistory().vaults[0].journal.slice(2), created(7, 'd', 'lost')), [/the journal had .*lost.*, and now has nothing/]],
  'an event was not received': [({ subscribers: [early] }) => early.subscriptions[0].events.splice(2, 1), [/early received 4 after 2 with a gap/]],
  'the last event was not received': [({ subscribers: [early] }) => early.subscriptions[0].events.pop(), [/early received nothing after 5, but the journal ends at 6/]],
  'an event was sent twice': [({ vaults: [{ journal }], subscribers: [early] }) => early.wire.recordServerPacket('s1', sendEvent(journal[1])), [/early was sent 2 twice without a request/]],
  'an event was sent twice after a join with a later since': [({ vaults: [{ journal }], subscribers: [early] }) => {
    early.wire.recordClientPacket('s1', requestJoin(4));
    early.wire.recordServerPacket('s1', sendJoined(6, 4));
    for (const event of journal.slice(3)) early.wire.recordServerPacket('s1', sendEvent(event));
  }, [/early was sent 4 twice without a request/]],
  'an event was sent twice after a join without an answer': [({ vaults: [{ journal }], subscribers: [early] }) => {
    early.wire.recordClientPacket('s1', requestJoin(5));
    early.wire.recordServerPacket('s1', sendEvent(journal[5]));
  }, [/early was sent 6 twice without a request/]],
  'the confirmation of a join has another since': [({ vaults: [{ journal }], subscribers: [early] }) => {
    early.wire.recordClientPacket('s1', requestJoin(5));
    early.wire.recordServerPacket('s1', sendJoined(6, 4));
    for (const event of journal.slice(4)) early.wire.recordServerPacket('s1', sendEvent(event));
  }, [/early was sent 5 twice without a request/, /early was sent 6 twice without a request/]],
  'a recovered client was sent an event again that it had received': [({ vaults: [{ journal }], subscribers: [early] }) => {
    recover(early.wire, '5.v');
    for (const event of journal.slice(4)) early.wire.recordServerPacket('s2', sendEvent(event));
  }, [/early was sent 5 twice without a request/]],
  'an event was received that was not sent': [({ subscribers: [early] }) => early.wire.sent.get('v').delete(3), [/early received 3, which was not sent to it/]],
  'an event was applied twice': [({ subscribers: [early] }) => early.subscriptions[0].events.splice(2, 0, early.subscriptions[0].events[1]), [/early received 2 after 2/]],
  'two events were received in the wrong order': [({ subscribers: [early] }) => early.subscriptions[0].events.splice(2, 2, early.subscriptions[0].events[3], early.subscriptions[0].events[2]), [/early received 4 after 2/, /early received 3 after 4/]],
  'a received event differs from the journal': [({ subscribers: [early] }) => (early.subscriptions[0].events[1].payload.source.title = 'zwei'), [/early received .*zwei.*, where the journal has .*two/]],
  'a received event is in no journal': [({ subscribers: [early] }) => {
    early.subscriptions[0].events.push(created(7, 'd', 'a phantom'));
    early.wire.recordServerPacket('s1', sendEvent(created(7, 'd', 'a phantom')));
  }, [/early received .*a phantom.*, which the journal lacks/]],
  'an event was received that the list included': [({ subscribers: [, late] }) => late.subscriptions[0].events.unshift(created(2, 'b', 'two')), [/late received 2 after 2/, /late received 2, which was not sent to it/]],
  'a kept list differs from the service': [({ subscribers: [, late] }) => late.subscriptions[0].listedSources.push(paper('x', 'stray')), [/the list of late has .*stray.*, but the service lists undefined/]],
  'a subscriber was asked to resync': [({ subscribers: [early] }) => early.resyncs.push({ vaultId: 'v', seq: 4 }), [/early was asked to resync at 4/]],
  'the service lists a source that differs from the journal': [({ vaults: [{ listing }] }) => (listing.sources[1].title = 'drei'), [/the replay has .*three.*, but the service lists .*drei/, /the list of late has .*three/]],
  'the service lists a member that differs from the journal': [({ vaults: [{ listing }] }) => (listing.members[1].role = 'contributor'), [/the replay has .*viewer.*, but the service lists .*contributor/]],
  'the listed head differs from the journal': [({ vaults: [{ listing }] }) => (listing.seq = 9), [/v is listed at 9, but the journal ends at 6/]],
  'a vault was created twice': [({ foundVaults }) => foundVaults.push({ id: 'w2', name: 'W' }), [/W \(w2\) exists, but was not created by a request/]],
  'a created vault is missing': [({ foundVaults }) => foundVaults.pop(), [/W \(w\) was created, but is missing/]],
  'a cut subscriber was not recovered': [({ subscribers: [early] }) => (early.connections[1].recovered = false), [/early was cut in run 1 of the service, but not recovered/]],
  'a subscriber was recovered after a kill': [({ subscribers: [early] }) => (early.connections[2].recovered = true), [/early was recovered in run 2, but run 1 was killed/]],
};

/** Records a reconnect after this offset that is recovered. */
function recover(wire, offset) {
  wire.recordClientPacket('s2', `40${JSON.stringify({ token: 't', pid: 'p1', offset })}`);
  wire.recordServerPacket('s2', '40{"sid":"i1","pid":"p1"}');
}

/** Each reason why the service may send events again: a function that puts it into the history. */
const REQUESTED_REPETITIONS = {
  'a second join with an older since': ({ vaults: [{ journal }], subscribers: [{ wire }] }) => {
    // The first answer still waits when the second join is sent.
    wire.recordClientPacket('s1', requestJoin(4));
    wire.recordClientPacket('s1', requestJoin(4));
    for (const _ of [1, 2]) {
      wire.recordServerPacket('s1', sendJoined(6, 4));
      for (const event of journal.slice(4)) wire.recordServerPacket('s1', sendEvent(event));
    }
    assert.equal(wire.repeatedJoins, 2);
  },
  'a reconnect with the offset of an earlier event': ({ vaults: [{ journal }], subscribers: [{ wire }] }) => {
    recover(wire, '4.v');
    for (const event of journal.slice(4)) wire.recordServerPacket('s2', sendEvent(event));
    // The former session sends what was on its way, and the client receives nothing from it.
    wire.recordServerPacket('s1', sendEvent(journal[5]));
  },
  'a new connection': ({ vaults: [{ journal }], subscribers: [{ wire }] }) => {
    wire.recordClientPacket('s2', '40{"token":"t","pid":"p1","offset":"6.v"}');
    wire.recordServerPacket('s2', '40{"sid":"i2","pid":"p2"}');
    wire.recordClientPacket('s2', requestJoin(0));
    wire.recordServerPacket('s2', sendJoined(6, 0));
    for (const event of journal) wire.recordServerPacket('s2', sendEvent(event));
  },
};

test('the wire log ignores malformed packets and other namespaces', () => {
  const wire = new WireLog();
  for (const packet of ['40{"token"', '42["vault:join"', '42{}', '40/other,{}', '42/other,["vault:join","v"]', '2probe', '']) wire.recordClientPacket('s1', packet);
  assert.deepEqual([wire.connects, wire.repeatedJoins], [0, 0]);
});

for (const [description, repeat] of Object.entries(REQUESTED_REPETITIONS)) {
  test(`the history checker accepts events that are sent again because of ${description}`, () => {
    const history = validHistory();
    repeat(history);
    assert.deepEqual(checkHistory(history), []);
  });
}

/** Appends one event to the journal, the listing and the events of all subscribers. */
function append({ vaults: [{ journal, listing }], subscribers }, event) {
  journal.push(event);
  const { source } = event.payload;
  listing.sources.push({ ...source, updatedAt: source.createdAt });
  listing.seq += 1;
  for (const { subscriptions: [{ events }], wire } of subscribers) {
    events.push(event);
    wire.recordServerPacket('s1', sendEvent(event));
  }
}

for (const [description, [introduceError, expectedReports]] of Object.entries(ERRORS)) {
  test(`the history checker reports that ${description}`, () => {
    const history = validHistory();
    introduceError(history);
    const reports = checkHistory(history);
    for (const expected of expectedReports) assert(reports.some((report) => expected.test(report)), `${expected} is not among\n${reports.join('\n')}`);
    assert.deepEqual(reports.filter((report) => !expectedReports.some((expected) => expected.test(report))), [], 'unexpected reports');
  });
}

test('the checks after each kill report exactly the missing mutations and the wrong events', () => {
  const { vaults: [{ id, journal }], mutations, subscribers: [early] } = validHistory();
  const journals = new Map([[id, journal]]);
  const check = () => [...findMissingMutations(journals, mutations), ...checkReceivedEvents(early, journals)];
  assert.deepEqual(check(), []);
  journal.pop();
  const reports = check();
  assert.equal(reports.length, 2);
  assert.match(reports[0], /source:created three was acknowledged at 6, but is missing/);
  assert.match(reports[1], /early received .*three.*, which the journal lacks/);
});
