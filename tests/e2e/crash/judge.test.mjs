// The judge, judged: a history in which nothing contradicts, and the same with one thing wrong at a time, which it must
// name and must find nothing else.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge, markOf, missing, shownOtherwise } from './judge.mjs';

const ana = { userId: 'ana', userName: 'Ana', role: 'owner' };
const TIME = '2026-02-15T10:00:00.000Z';
const LATER = '2026-02-15T10:00:01.000Z';

const paper = (id, title) => ({ id, title, vaultId: 'v' });
const made = (seq, id, title) => ({ seq, event: 'source:created', payload: { source: { ...paper(id, title), createdAt: TIME }, actor: ana, timestamp: TIME, seq } });
const changed = (seq, id, title) => ({ seq, event: 'source:updated', payload: { source: { ...paper(id, title), updatedAt: LATER }, actor: ana, timestamp: LATER, seq } });
const removed = (seq, id) => ({ seq, event: 'source:deleted', payload: { sourceId: id, vaultId: 'v', actor: ana, timestamp: LATER, seq } });
const added = (seq, userId) => ({ seq, event: 'member:added', payload: { member: { userId, userName: userId, role: 'viewer' }, vaultId: 'v', actor: ana, timestamp: TIME, seq } });

/** Two sources are left of three, one of them changed, and there is a guest; two subscribers were there, one of them late. */
function history() {
  const journal = [made(1, 'a', 'one'), made(2, 'b', 'two'), changed(3, 'a', 'one again'), removed(4, 'b'), added(5, 'guest'), made(6, 'c', 'three')];
  const asked = (event, outcome, more) => ({ vault: 'v', mark: markOf(event), by: 'ana', outcome, ...more });
  const told = (event, says) => asked(event, 'acknowledged', { seq: event.seq, says });
  const [one, two, again, gone, guest, three] = structuredClone(journal);
  const whole = { ...paper('a', 'one again'), createdAt: TIME, updatedAt: LATER };
  const sources = [whole, { ...paper('c', 'three'), createdAt: TIME, updatedAt: TIME }];
  return {
    vaults: [
      {
        id: 'v', owner: 'ana', name: 'V', journal, before: [one, two],
        listing: { sources, members: [{ userId: 'ana', role: 'owner' }, { userId: 'guest', role: 'viewer' }], name: 'V', seq: 6 },
      },
    ],
    made: [{ id: 'w', name: 'W' }],
    found: [{ id: 'w', name: 'W' }],
    mutations: [
      told(one, { source: { ...paper('a', 'one'), createdAt: TIME, updatedAt: TIME } }),
      told(two),
      asked(again, 'unknown'),
      asked(gone, 'applied'),
      told(guest, { member: { userId: 'guest', role: 'viewer' } }),
      told(three),
      asked(made(0, 'x', 'refused'), 'refused'),
      asked(made(0, 'x', 'never came'), 'unknown'),
    ],
    subscribers: [
      { name: 'early', rooms: [{ vault: 'v', began: 0, heard: structuredClone(journal) }], lives: [{ life: 1, isIn: true }, { life: 1, isIn: true, recovered: true }, { life: 2, recovered: false }], resyncs: [] },
      {
        name: 'late', lives: [{ life: 2 }], resyncs: [],
        rooms: [{ vault: 'v', began: 2, heard: structuredClone(journal.slice(2)), listed: [one, two].map(({ payload }) => ({ ...payload.source, updatedAt: TIME })) }],
      },
    ],
    deaths: new Map([[1, 'killed'], [2, 'stopped']]),
  };
}

test('a history in which nothing contradicts is left in peace', () => {
  assert.deepEqual(judge(history()), []);
});

/** What is wrong, done to the history; and what the judge says of it, each of it once. */
const WRONGS = {
  'an acknowledged mutation is missing': [({ vaults: [{ journal, listing }], subscribers }) => {
    journal.pop();
    Object.assign(listing, { seq: 5, sources: listing.sources.slice(0, 1) });
    for (const { rooms: [{ heard }] } of subscribers) heard.pop();
  }, [/v: source:created three was acknowledged as 6, and is missing/]],
  'the journal has a gap': [({ vaults: [{ journal }] }) => journal.splice(4, 1), [
    /its journal has 6 after 4/, /member:added guest viewer was acknowledged as 5, and is missing/, /early was shown .*guest.*, which its journal does not have/,
    /late was shown .*guest.*, which its journal does not have/, /the replay has undefined, and the service lists .*guest/,
  ]],
  'another event has its place': [({ vaults: [{ journal }], subscribers }) => {
    for (const events of [journal, ...subscribers.map(({ rooms: [{ heard }] }) => heard)]) events.at(-1).payload.source.title = 'drei';
  }, [
    /source:created three was acknowledged as 6, where its journal has .*drei/, /the replay has .*drei.*, and the service lists .*three/,
    /the list of late has .*drei.*, and the service lists .*three/,
  ]],
  'an acknowledged mutation is another': [({ mutations }) => (mutations[0].says.source.title = 'uno'), [/source:created one was acknowledged with title "uno", and 1 has "one"/]],
  'two were given one number': [({ mutations }) => mutations.push({ ...mutations[1] }), [/source:created two was acknowledged as 2, and so was source:created two/]],
  'somebody else did it': [({ mutations }) => (mutations[1].by = 'ben'), [/source:created two was asked for by ben, and 2 is by ana/]],
  'what was asked for once was done twice': [({ mutations, ...rest }) => say(rest, made(7, 'd', 'three')), [/source:created three was acknowledged as 6, and is there as 7 as well/]],
  'what was refused is there': [(history) => say(history, made(7, 'd', 'refused')), [/source:created refused was refused, and is there as 7/]],
  'what nobody knows of is there twice': [(history) => [7, 8].forEach((seq) => say(history, made(seq, `d${seq}`, 'never came'))), [/source:created never came is there as 8, and nobody asked for it, or not so often/]],
  'nobody asked for it': [(history) => say(history, made(7, 'd', 'a phantom')), [/source:created a phantom is there as 7, and nobody asked for it/]],
  'what was said to be done is not': [({ mutations }) => mutations.push({ ...mutations[3], mark: 'source:deleted c' }), [/source:deleted c was done as the service said, and is missing/]],
  'the journal was rewritten': [({ vaults: [{ before }] }) => (before[1].payload.source.title = 'zwei'), [/its journal had .*zwei.*, and now has .*two/]],
  'the journal is shorter than it was': [({ vaults: [{ before }] }) => before.push(...history().vaults[0].journal.slice(2), made(7, 'd', 'gone')), [/its journal had .*gone.*, and now has nothing/]],
  'an event was lost on its way': [({ subscribers: [early] }) => early.rooms[0].heard.splice(2, 1), [/early was shown 4 after 2, and nothing in between/]],
  'the last event did not come': [({ subscribers: [early] }) => early.rooms[0].heard.pop(), [/early was shown nothing after 5, and its journal ends at 6/]],
  'an event came twice': [({ subscribers: [early] }) => early.rooms[0].heard.splice(2, 0, early.rooms[0].heard[1]), [/early was shown 2 twice/]],
  'two events came in the wrong order': [({ subscribers: [early] }) => early.rooms[0].heard.splice(2, 2, early.rooms[0].heard[3], early.rooms[0].heard[2]), [/early was shown 4 after 2/, /early was shown 3 after 4/]],
  'an event was another on its way': [({ subscribers: [early] }) => (early.rooms[0].heard[1].payload.source.title = 'zwei'), [/early was shown .*zwei.*, where its journal has .*two/]],
  'an event was shown that is in no journal': [({ subscribers: [early] }) => early.rooms[0].heard.push(made(7, 'd', 'a phantom')), [/early was shown .*a phantom.*, which its journal does not have/]],
  'an event came that the list had': [({ subscribers: [, late] }) => late.rooms[0].heard.unshift(made(2, 'b', 'two')), [/late was shown 2 after 2/]],
  'a kept list is another': [({ subscribers: [, late] }) => late.rooms[0].listed.push(paper('x', 'stray')), [/the list of late has .*stray.*, and the service lists undefined/]],
  'somebody had to list anew': [({ subscribers: [early] }) => early.resyncs.push({ vaultId: 'v', seq: 4 }), [/early was told at 4 to list anew/]],
  'the service lists what its journal does not': [({ vaults: [{ listing }] }) => (listing.sources[1].title = 'drei'), [/the replay has .*three.*, and the service lists .*drei/, /the list of late has .*three/]],
  'the service lists another member': [({ vaults: [{ listing }] }) => (listing.members[1].role = 'contributor'), [/the replay has .*viewer.*, and the service lists .*contributor/]],
  'the vault stands elsewhere': [({ vaults: [{ listing }] }) => (listing.seq = 9), [/v stands at 9, and its journal ends at 6/]],
  'a vault was made twice': [({ found }) => found.push({ id: 'w2', name: 'W' }), [/W \(w2\) is there, and nobody made it/]],
  'a vault that was made is missing': [({ found }) => found.pop(), [/W \(w\) was made, and is missing/]],
  'who was cut was not recovered': [({ subscribers: [early] }) => (early.lives[1].recovered = false), [/early was cut in life 1 of the service, and not recovered/]],
  'somebody was recovered after a kill': [({ subscribers: [early] }) => (early.lives[2].recovered = true), [/early was recovered in life 2, and life 1 was killed/]],
};

/** One event more, of which everybody was told. */
function say({ vaults: [{ journal, listing }], subscribers }, event) {
  journal.push(event);
  const { source } = event.payload;
  listing.sources.push({ ...source, updatedAt: source.createdAt });
  listing.seq += 1;
  for (const { rooms: [{ heard }] } of subscribers) heard.push(event);
}

for (const [sentence, [wrong, names]] of Object.entries(WRONGS)) {
  test(`the judge names it when ${sentence}`, () => {
    const wronged = history();
    wrong(wronged);
    const named = judge(wronged);
    for (const name of names) assert(named.some((what) => name.test(what)), `${name} is not among\n${named.join('\n')}`);
    assert.deepEqual(named.filter((what) => !names.some((name) => name.test(what))), [], 'it names more than that');
  });
}

test('after each kill the judge names what is missing and what was shown otherwise, and no more', () => {
  const { vaults: [{ id, journal }], mutations, subscribers: [early] } = history();
  const journals = new Map([[id, journal]]);
  const looked = () => [...missing(journals, mutations), ...shownOtherwise(early, journals)];
  assert.deepEqual(looked(), []);
  journal.pop();
  const named = looked();
  assert.equal(named.length, 2);
  assert.match(named[0], /source:created three was acknowledged as 6, and is missing/);
  assert.match(named[1], /early was shown .*three.*, which its journal does not have/);
});
