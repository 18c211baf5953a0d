import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearest, timeTicks, valueTicks } from '../src/operators/chart/scale.ts';
import { closeSeries, segments } from '../src/operators/chart/series.ts';
import type { Sample } from '../src/operators/data/types.ts';

const at = (second: number, changes: Partial<Sample> = {}) => ({ time: new Date(second * 1000).toISOString(), seconds: 5, closesPerSecond: {}, ...changes }) as Sample;

test('a line has a gap where samples are missing or have no value', () => {
  const samples = [at(0), at(5), at(20), at(25, { cpuCores: 1 }), at(30)].map((one, index) => ({ ...one, cpuCores: index }));
  const found = segments(samples, ({ cpuCores }) => (cpuCores === 3 ? undefined : cpuCores), 5000);
  assert.deepEqual(found.map((part) => part.map(({ time }) => time / 1000)), [[0, 5], [20], [30]]);
});

test('reasons of closed sockets are ordered by frequency, and the rest share a line', () => {
  const closesPerSecond = { a: 1, b: 5, c: 2, d: 3, e: 0.5, f: 0.25 };
  const series = closeSeries([at(0, { closesPerSecond }), at(5)]);
  assert.deepEqual(series.map(({ name }) => name), ['b', 'd', 'c', 'a', 'other reasons']);
  assert.deepEqual(series.map(({ value }) => value(at(0, { closesPerSecond }))), [5, 3, 2, 1, 0.75]);
  assert.deepEqual(series.map(({ value }) => value(at(5))), [0, 0, 0, 0, 0]);
  assert.deepEqual(closeSeries([]).map(({ name }) => name), ['all reasons']);
});

test('a vertical axis ends at or above the highest value, in round steps', () => {
  assert.deepEqual(valueTicks(0, 4, 10), [0, 0.5, 1]);
  assert.deepEqual(valueTicks(7.3, 4, 10), [0, 2, 4, 6, 8]);
  assert.deepEqual(valueTicks(0.0031, 4, 10), [0, 0.001, 0.002, 0.003, 0.004]);
  assert.deepEqual(valueTicks(8, 4, 10), [0, 2, 4, 6, 8]);
  assert.deepEqual(valueTicks(100 * 2 ** 20, 4, 2).at(-1), 128 * 2 ** 20);
});

test('a horizontal axis has labels at full minutes', () => {
  const minute = 60_000;
  assert.deepEqual(timeTicks(minute * 1.5, minute * 16.5, 5).map((time) => time / minute), [5, 10, 15]);
});

test('the nearest time is found', () => {
  const times = [0, 10, 20];
  assert.deepEqual([-5, 4, 6, 14, 99].map((time) => nearest(times, time)), [0, 0, 1, 1, 2]);
});
