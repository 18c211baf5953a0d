// docs/logs.md lists every message that the service logs at level info and above, and no other.
// Independent of the database: runs once, on SQLite.

import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const SOURCE_FOLDERS = ['src', 'socketio/src'].map((folder) => fileURLToPath(new URL(`../../${folder}/`, import.meta.url)));
const collapseWhitespace = (text) => text.replaceAll(/\s+/g, ' ');

/** Returns the text between the parenthesis at `start` and the closing one. */
function inParentheses(code, start) {
  let depth = 0;
  for (let at = start; at < code.length; at += 1) {
    if (code[at] === '"') at = code.slice(0, at).length + code.slice(at).match(/^"(?:[^"\\]|\\[^])*"/)[0].length - 1;
    else if ('([{'.includes(code[at])) depth += 1;
    else if (')]}'.includes(code[at]) && --depth === 0) return code.slice(start + 1, at);
  }
  throw new Error('unbalanced parenthesis');
}

/** Returns the absolute paths of the Rust files of the service and of the Socket.IO crate. */
async function rustFiles() {
  const listed = SOURCE_FOLDERS.map(async (folder) => (await readdir(folder, { recursive: true })).map((file) => path.join(folder, file)));
  return (await Promise.all(listed)).flat().filter((file) => file.endsWith('.rs'));
}

/** Returns every logged message up to its first placeholder, with the file that logs it. */
async function loggedMessages() {
  const found = new Map();
  for (const file of await rustFiles()) {
    if (/(^|\/)(tests|properties)\.rs$/.test(file)) continue;
    const code = (await readFile(file, 'utf8')).replaceAll(/^\s*\/\/.*$/gm, '').split(/#\[cfg\(test\)\]\s*mod /)[0];
    for (const { index, 0: call } of code.matchAll(/\b(?:info|warn|error|report)!\(/g)) {
      const literal = [...inParentheses(code, index + call.length - 1).matchAll(/"((?:[^"\\]|\\[^])*)"/g)].at(-1);
      if (!literal) continue; // the definition of the macro
      const message = collapseWhitespace(literal[1].replaceAll(/\\\n\s*/g, '').replaceAll('\\"', '"')).split('{')[0];
      found.set(message.trim(), file);
    }
  }
  return found;
}

test('every logged message is documented', async () => {
  const page = collapseWhitespace(await readFile(new URL('../../docs/logs.md', import.meta.url), 'utf8'));
  const found = await loggedMessages();
  assert(found.size > 50, `only ${found.size} messages were found`);
  const missing = [...found].filter(([message]) => !page.includes(message)).map(([message, file]) => `${file}: ${message}`);
  assert.deepEqual(missing, []);
});

test('every documented message is logged', async () => {
  const page = await readFile(new URL('../../docs/logs.md', import.meta.url), 'utf8');
  const table = page.slice(page.indexOf('## Lines of level info'));
  const code = collapseWhitespace((await Promise.all((await rustFiles()).map((file) => readFile(file, 'utf8')))).join('\n').replaceAll(/\\\n\s*/g, ''));
  for (const [, cell] of table.matchAll(/^\| (?:info|warn|error) \| ([^|]+) \|/gm)) {
    for (const [, message] of cell.matchAll(/`([^`]+)`/g)) {
      if (/^[a-z_]+$/.test(message)) continue; // the name of a field
      // The page writes placeholders in capitals or leaves them out.
      const parts = message.split(/ ?(?:[A-Z]{3,}|\bN\b|\bM\b|…|\(…\)| \/ |: )/).filter((part) => part.length > 6);
      assert(parts.length === 0 || parts.some((part) => code.includes(part)), message);
    }
  }
});
