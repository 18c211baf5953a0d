// The React bindings: rendered on a server, and hydrated under StrictMode in a browser.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { createElement } from 'react';
import { renderToString } from 'react-dom/server';
import { withChromium } from '../../tests/e2e/chromium.mjs';
import { PAPER, testService } from './service.mjs';
import { Site } from './site.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
// Development builds of React: only these check hydration and mount twice under StrictMode.
const options = { bundle: true, format: 'esm', jsx: 'automatic', define: { 'process.env.NODE_ENV': '"development"' }, logLevel: 'error' };

const site = await Site.start();
const service = testService({ VAULTCAST__SERVER__ALLOWED_ORIGINS: JSON.stringify([site.url]) });
let directory, App;
before(async () => {
  directory = await mkdtemp(here('.compiled-'));
  const outfile = path.join(directory, 'app.mjs');
  await build({ ...options, entryPoints: [here('app/app.tsx')], packages: 'external', outfile });
  ({ App } = await import(pathToFileURL(outfile)));
});
after(async () => {
  await site.close();
  await rm(directory, { recursive: true, force: true });
});

test('a server renders the loading state, and nothing connects', () => {
  const clients = [];
  const props = { url: 'http://127.0.0.1:1', token: 'token', vaultId: 'c0000000000', onRender: (client) => clients.push(client) };
  assert.equal(renderToString(createElement(App, props)), '<p id="vault">loading<!-- --> <!-- --> <!-- -->0</p><button>Add</button><p id="titles"></p>');
  assert(clients.length > 0 && clients.every(({ socket, state }) => socket === undefined && state === 'connecting'));
});

test('under StrictMode a page hydrates without errors, connects once, shows changes, and closes its client', { timeout: 180_000 }, async () => {
  const ana = await service.newUser('Ana');
  const vaultId = await service.newVault(ana);
  await ana.post(`/api/vaults/${vaultId}/sources`, { ...PAPER, title: 'first' });
  const props = { url: ana.service.url, token: ana.token(), vaultId };
  const { outputFiles } = await build({ ...options, entryPoints: [here('app/page.tsx')], write: false });
  const html = renderToString(createElement(App, props));
  site.serve({
    '/': `<!doctype html><div id="root">${html}</div><script id="props" type="application/json">${JSON.stringify(props)}</script><script type="module" src="/page.js"></script>`,
    '/page.js': outputFiles[0].text,
  });
  await withChromium(site.url, async () => {
    assert.deepEqual(await site.nextReport(), { step: 'live', titles: 'first' });
    await ana.post(`/api/vaults/${vaultId}/sources`, { ...PAPER, title: 'of another user' });
    const report = await site.nextReport();
    assert.deepEqual(report, {
      step: 'done',
      optimistic: 'live owner 1',
      before: ['connected'],
      after: ['closed'],
      events: ['connect', 'disconnect'],
      errors: [],
    });
  });
});
