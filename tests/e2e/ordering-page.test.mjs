// docs/ordering.md agrees with the code: its TypeScript is part of the example, and each file that it cites contains the names that
// it lists for the file.
// Independent of the database: runs once, on SQLite.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { readExample } from './synced-vault-example.mjs';

const read = (file) => readFile(new URL(`../../${file}`, import.meta.url), 'utf8');
const lines = (code) => code.split('\n').map((line) => line.replace(/^\s*(\/\/ +)?/, '')).filter(Boolean).join('\n');

test('the TypeScript of docs/ordering.md is part of the example', async () => {
  const [doc, code] = [await read('docs/ordering.md'), lines(await readExample())];
  const blocks = [...doc.matchAll(/```ts\n([^]*?)```/g)].map(([, block]) => lines(block));
  assert(blocks.length > 2);
  for (const block of blocks) assert(code.includes(block), `not in the example:\n${block}`);
});

test('every name in docs/ordering.md exists in the cited file', async () => {
  const doc = (await read('docs/ordering.md')).replace(/\s+/g, ' ');
  let names = 0;
  for (const [, file, list] of doc.matchAll(/`((?:src|socketio|tests)\/[^`]+)`:\s+((?:`(?!src\/|socketio\/|tests\/)[^`]+`,?\s*)+)/g)) {
    const text = await read(file);
    for (const [, name] of list.matchAll(/`([^`]+)`/g)) {
      const exists = file.endsWith('.rs') ? new RegExp(`\\b(fn|struct|enum) ${name}\\b`).test(text) : text.includes(`'${name}'`);
      assert(exists, `${file} has no ${name}`);
      names += 1;
    }
  }
  assert(names > 60, `only ${names} names were found`);
});
