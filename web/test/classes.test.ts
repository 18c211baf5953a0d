import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classes } from '../src/shared/classes.ts';

test('only class names that are set are joined', () => {
  assert.equal(classes('a', false, undefined, 'b'), 'a b');
});
