// docs/ordering.md says only what there is: its TypeScript stands in the example, and every name that it gives after a file
// stands in that file.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { example } from './example.mjs';

const read = (file) => readFile(new URL(`../../${file}`, import.meta.url), 'utf8');
const lines = (code) => code.split('\n').map((line) => line.replace(/^\s*(\/\/ +)?/, '')).filter(Boolean).join('\n');

test('the TypeScript of docs/ordering.md is that of the example', async () => {
  const [doc, code] = [await read('docs/ordering.md'), lines(await example())];
  const blocks = [...doc.matchAll(/```ts\n([^]*?)```/g)].map(([, block]) => lines(block));
  assert(blocks.length > 2);
  for (const block of blocks) assert(code.includes(block), `this is not in the example:\n${block}`);
});

test('what docs/ordering.md names is where it says', async () => {
  const doc = (await read('docs/ordering.md')).replace(/\s+/g, ' ');
  let names = 0;
  for (const [, file, list] of doc.matchAll(/`((?:src|tests)\/[^`]+)`:\s+((?:`(?!src\/|tests\/)[^`]+`,?\s*)+)/g)) {
    const text = await read(file);
    for (const [, name] of list.matchAll(/`([^`]+)`/g)) {
      const known = file.endsWith('.rs') ? new RegExp(`\\b(fn|struct|enum) ${name}\\b`).test(text) : text.includes(`'${name}'`);
      assert(known, `${file} has no ${name}`);
      names += 1;
    }
  }
  assert(names > 60, `only ${names} names were found`);
});
