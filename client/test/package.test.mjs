// The published form of the package.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { generate } from '../scripts/generate.mjs';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));
const MAX_SIZE = 8_000;

let directory, tarball, files;
before(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'vaultcast-client-'));
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', directory], { cwd: root });
  const [packed] = Object.values(JSON.parse(stdout));
  tarball = path.join(directory, packed.filename);
  files = packed.files.map((file) => file.path).sort();
});
after(() => rm(directory, { recursive: true, force: true }));

test('the package contains the compiled code, its types, the README and the licenses, and nothing else', () => {
  const modules = files.filter((file) => file.startsWith('dist/')).map((file) => file.replace(/\.d\.ts$|\.js$/, ''));
  for (const module of new Set(modules)) assert.deepEqual(files.filter((file) => [`${module}.js`, `${module}.d.ts`].includes(file)).length, 2, module);
  assert.deepEqual(files.filter((file) => !file.startsWith('dist/')), ['LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'package.json']);
});

test('publint finds nothing to improve', async () => {
  const { messages, pkg } = await publint({ pkgDir: root, strict: true, pack: 'npm' });
  assert.deepEqual(messages.map((message) => formatMessage(message, pkg)), []);
});

test('the types are right for every module resolution that supports ESM', async () => {
  const { code, stdout } = await run('npx', ['attw', tarball, '--profile', 'esm-only'], { cwd: root }).catch((error) => error);
  assert.equal(code, undefined, stdout); // the exit status of a failure
});

for (const entry of ['index', 'react']) {
  test(`${entry} is at most ${MAX_SIZE} bytes, minified and compressed`, async () => {
    const external = ['socket.io-client', 'react'];
    const options = { bundle: true, minify: true, format: 'esm', write: false, external, absWorkingDir: root, logLevel: 'error' };
    const { outputFiles } = await build({ ...options, entryPoints: [`dist/${entry}.js`] });
    const size = gzipSync(outputFiles[0].contents, { level: 9 }).length;
    console.log(`${entry}: ${size} bytes`);
    assert(size <= MAX_SIZE, `${size} bytes`);
  });
}

test("the generated types are those of the service's description", async () => {
  const committed = await readFile(path.join(root, 'src/generated.ts'), 'utf8');
  assert.equal(committed, await generate(), 'run `npm run generate` and commit src/generated.ts');
});

test('the documented example has at most 20 lines', async () => {
  const readme = await readFile(path.join(root, 'README.md'), 'utf8');
  const examples = [...readme.matchAll(/^```tsx?\n([^]*?)^```$/gm)].map(([, code]) => code.trim().split('\n').length);
  assert(examples.length >= 2);
  assert(examples.every((lines) => lines <= 20), `${examples} lines`);
});
