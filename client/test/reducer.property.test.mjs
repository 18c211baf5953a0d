// The reducer against random event streams, and the user's own changes laid over them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { coverCreate, newSource, overlay, pendingIds, unconfirmed } from '../dist/overlay.js';
import { applyEvent } from '../dist/reducer.js';
import { SimulatedService, USER } from './simulated-service.mjs';

const NUM_RUNS = Number(process.env.RUNS ?? 500);
const choices = fc.array(fc.nat(1000), { minLength: 1, maxLength: 80, size: 'max' });

/** Returns a service with a random history. */
function historyOf(sequence) {
  const service = new SimulatedService();
  for (const choice of sequence) service.mutate(choice);
  return service.history;
}

/** Makes later changes of the state throw. */
function freeze(state) {
  for (const list of [state.sources, state.members]) for (const row of list) Object.freeze(row);
  Object.freeze(state.sources);
  Object.freeze(state.members);
  return Object.freeze(state);
}

test('the state after each event is exact; repeated events change nothing, missing ones are noticed, and no state is changed in place', () => {
  const property = fc.property(choices, fc.array(fc.nat(100)), (sequence, others) => {
    const { events, states } = historyOf(sequence);
    let state = freeze({ ...states[0], seq: 0, epoch: 'e' });
    for (const [index, event] of events.entries()) {
      const other = events[(others[index % others.length] ?? index) % events.length];
      const { seq } = other.payload;
      if (seq <= state.seq) assert.equal(applyEvent(state, other), state);
      if (seq > state.seq + 1) assert.equal(applyEvent(state, other), undefined);
      const next = freeze(applyEvent(state, event));
      assert.deepEqual(next, { ...states[index + 1], seq: index + 1, epoch: 'e' });
      for (const list of ['sources', 'members']) {
        for (const row of next[list]) assert(state[list].includes(row) || JSON.stringify(event).includes(row.id ?? row.userId), 'an unchanged row is the same object');
      }
      state = next;
    }
  });
  fc.assert(property, { numRuns: NUM_RUNS, includeErrorInReport: true });
});

test('the events after the first page of a listing lead to the exact state, whichever states the rows were read in', () => {
  const property = fc.property(choices, fc.array(fc.nat(1000), { minLength: 1 }), (sequence, moments) => {
    const { events, states } = historyOf(sequence);
    const momentOf = (index) => moments[index % moments.length] % states.length;
    // Each row is read at a moment of its own, in a listing from the first moment to the last.
    const first = Math.min(...moments.map((_, index) => momentOf(index)));
    const last = Math.max(...moments.map((_, index) => momentOf(index)));
    const read = (list, key) => {
      const ids = [...new Set(states.flatMap((state) => state[list].map((row) => row[key])))];
      const inOrder = states.at(-1)[list].map((row) => row[key]);
      const createdBy = (id) => states.findIndex((state) => state[list].some((row) => row[key] === id));
      const direction = list === 'sources' ? -1 : 1;
      const rows = ids.map((id, index) => states[momentOf(index)][list].find((row) => row[key] === id));
      assert.deepEqual(inOrder, [...inOrder].sort((a, b) => direction * (createdBy(a) - createdBy(b))));
      return rows.filter(Boolean).sort((a, b) => direction * (createdBy(a[key]) - createdBy(b[key])));
    };
    let state = { seq: first, epoch: 'e', name: states[momentOf(0)].name, sources: read('sources', 'id'), members: read('members', 'userId') };
    for (const event of events.slice(first)) {
      if (state.seq >= last) assert.deepEqual(state, { ...states[state.seq], seq: state.seq, epoch: 'e' });
      state = applyEvent(state, event);
    }
    assert.deepEqual(state, { ...states.at(-1), seq: events.length, epoch: 'e' });
  });
  fc.assert(property, { numRuns: NUM_RUNS, includeErrorInReport: true });
});

test('an own new source is shown exactly once from the call on, whether its event or its answer comes first', () => {
  // The service commits the source at one step and the answer arrives at a later one; at the other steps something else happens.
  const run = fc.array(fc.nat(1000), { maxLength: 60 }).chain((steps) => fc.tuple(fc.constant(steps), fc.nat(steps.length), fc.nat(steps.length)));
  const property = fc.property(run, fc.boolean(), ([steps, commitAt, answerAt], hasTwin) => {
    const fields = { title: 'mine', fileUrl: 'https://files.example.com/mine.pdf', mimeType: 'text/plain' };
    const own = { ...fields, id: 'c1', vaultId: 'v', createdAt: 'then', updatedAt: 'then' };
    const create = { kind: 'create', source: newSource({ ...own, id: 'pending-1' }, fields), isCovered: false, seq: undefined };
    let pending = [create];
    // The same user may have created an equal source in another window before.
    let state = { seq: 0, epoch: 'e', name: '', members: [], sources: hasTwin ? [{ ...own, id: 'twin' }] : [] };
    const journal = [];
    const commit = (name, payload) => journal.push({ name, payload: { ...payload, actor: { userId: USER }, seq: journal.length + 1 } });
    const receive = () => {
      const event = journal[state.seq];
      if (!event) return;
      coverCreate(pending, event, USER);
      state = applyEvent(state, event);
      pending = unconfirmed(pending, state);
    };
    const answer = (seq) => {
      Object.assign(create, { seq, source: own });
      pending = unconfirmed(pending, state);
    };
    const check = () => {
      const view = overlay(state.sources, pending);
      assert.equal(view.filter(({ title }) => title === 'mine').length, hasTwin ? 2 : 1, JSON.stringify(view));
      assert.equal(new Set(view.map(({ id }) => id)).size, view.length);
      assert(pendingIds(pending).every((id) => view.some((source) => source.id === id)));
    };
    let ownSeq;
    check();
    for (const [index, step] of steps.entries()) {
      if (index === commitAt) ownSeq = commit('source:created', { source: { ...own, updatedAt: undefined } });
      if (index === Math.max(answerAt, commitAt)) answer(ownSeq);
      if (step % 4 === 0) commit('member:added', { member: { userId: `user${index}` } });
      else if (step % 4 === 1) pending = [...pending, { kind: 'update', target: create, changes: { fileSize: step }, seq: undefined }];
      else receive();
      check();
    }
  });
  fc.assert(property, { numRuns: NUM_RUNS, includeErrorInReport: true });
});
