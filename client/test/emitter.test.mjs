// Handlers that are added and removed while an event is emitted.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Emitter } from '../dist/emitter.js';

test('a handler that replaces itself is called once for each event', () => {
  const emitter = new Emitter();
  let calls = 0;
  const listen = () => {
    const unsubscribe = emitter.on('event', () => {
      unsubscribe();
      if ((calls += 1) < 100) listen();
    });
  };
  listen();
  emitter.emit('event');
  assert.equal(calls, 1);
  emitter.emit('event');
  assert.equal(calls, 2);
});

test('a handler that was removed by an earlier one is not called', () => {
  const emitter = new Emitter();
  let calls = 0;
  emitter.on('event', () => unsubscribe());
  const unsubscribe = emitter.on('event', () => (calls += 1));
  emitter.emit('event');
  assert.equal(calls, 0);
});
