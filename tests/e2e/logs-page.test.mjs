// docs/logs.md has every line that the service logs at info and above, and no other.

import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const SRC = fileURLToPath(new URL('../../src/', import.meta.url));
const squeezed = (text) => text.replaceAll(/\s+/g, ' ');

/** What is between the parenthesis at `start` and the one that closes it. */
function inParentheses(code, start) {
  let depth = 0;
  for (let at = start; at < code.length; at += 1) {
    if (code[at] === '"') at = code.slice(0, at).length + code.slice(at).match(/^"(?:[^"\\]|\\[^])*"/)[0].length - 1;
    else if ('([{'.includes(code[at])) depth += 1;
    else if (')]}'.includes(code[at]) && --depth === 0) return code.slice(start + 1, at);
  }
  throw new Error('a parenthesis that nobody closes');
}

/** Every message that is logged there: up to the first thing that is filled in. */
async function messages() {
  const found = new Map();
  for (const file of await readdir(SRC, { recursive: true })) {
    if (!file.endsWith('.rs') || /(^|\/)(tests|properties)\.rs$/.test(file)) continue;
    const code = (await readFile(path.join(SRC, file), 'utf8')).replaceAll(/^\s*\/\/.*$/gm, '').split(/#\[cfg\(test\)\]\s*mod /)[0];
    for (const { index, 0: call } of code.matchAll(/\b(?:info|warn|error|report)!\(/g)) {
      const said = [...inParentheses(code, index + call.length - 1).matchAll(/"((?:[^"\\]|\\[^])*)"/g)].at(-1);
      if (!said) continue; // the macro's own definition
      const message = squeezed(said[1].replaceAll(/\\\n\s*/g, '').replaceAll('\\"', '"')).split('{')[0];
      found.set(message.trim(), file);
    }
  }
  return found;
}

test('every line of the log is explained', async () => {
  const page = squeezed(await readFile(new URL('../../docs/logs.md', import.meta.url), 'utf8'));
  const found = await messages();
  assert(found.size > 50, `only ${found.size} messages were found`);
  const missing = [...found].filter(([message]) => !page.includes(message)).map(([message, file]) => `${file}: ${message}`);
  assert.deepEqual(missing, []);
});

test('no line is explained that there is not', async () => {
  const page = await readFile(new URL('../../docs/logs.md', import.meta.url), 'utf8');
  const table = page.slice(page.indexOf('## Lines of level info'));
  const code = squeezed((await Promise.all((await readdir(SRC, { recursive: true }))
    .filter((file) => file.endsWith('.rs'))
    .map((file) => readFile(path.join(SRC, file), 'utf8')))).join('\n').replaceAll(/\\\n\s*/g, ''));
  for (const [, cell] of table.matchAll(/^\| (?:info|warn|error) \| ([^|]+) \|/gm)) {
    for (const [, message] of cell.matchAll(/`([^`]+)`/g)) {
      if (/^[a-z_]+$/.test(message)) continue; // a field
      // What is filled in stands in capitals, or is left out.
      const parts = message.split(/ ?(?:[A-Z]{3,}|\bN\b|\bM\b|…|\(…\)| \/ |: )/).filter((part) => part.length > 6);
      assert(parts.length === 0 || parts.some((part) => code.includes(part)), message);
    }
  }
});
