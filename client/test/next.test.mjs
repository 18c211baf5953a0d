// The published package in a real application with Next.js and the App Router: built, rendered on the server, and used in a browser.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { withChromium } from '../../tests/e2e/chromium.mjs';
import { ManagedProcess } from '../../tests/e2e/managed-process.mjs';
import { freePort } from '../../tests/e2e/test-server.mjs';
import { PAPER, testService } from './service.mjs';
import { Site } from './site.mjs';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));
const app = path.join(root, 'test/next-app');
const next = path.join(root, 'node_modules/next/dist/bin/next');
const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1' };

const port = await freePort();
const url = `http://127.0.0.1:${port}`;
const service = testService({ VAULTCAST__SERVER__ALLOWED_ORIGINS: JSON.stringify([url]) });
let site;

before(async () => {
  site = await Site.start();
  // A package must not be found by its own name alone, so the published one is installed.
  const installed = path.join(app, 'node_modules/vaultcast-client');
  await rm(installed, { recursive: true, force: true });
  await mkdir(installed, { recursive: true });
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', installed], { cwd: root });
  const [{ filename }] = Object.values(JSON.parse(stdout));
  await run('tar', ['-xzf', path.join(installed, filename), '-C', installed, '--strip-components=1']);
  await run(process.execPath, [next, 'build'], { cwd: app, env }).catch((error) => assert.fail(`${error.stdout}${error.stderr}`));
});
after(() => site.close());

test('an App Router application renders the provider in a server component and keeps a vault in step', { timeout: 180_000 }, async () => {
  const ana = await service.newUser('Ana');
  const vaultId = await service.newVault(ana);
  await ana.post(`/api/vaults/${vaultId}/sources`, { ...PAPER, title: 'first' });
  const settings = { VAULTCAST_URL: ana.service.url, TOKEN: ana.token(), VAULT_ID: vaultId, REPORT_URL: site.url };
  const server = new ManagedProcess(process.execPath, [next, 'start', '--hostname', '127.0.0.1', '--port', String(port)], { cwd: app, env: { ...env, ...settings } });
  site.answer = ({ step }) => (step === '/' ? { href: '/sources' } : {});
  try {
    await server.waitForOutput(/Ready/);
    assert.match(await (await fetch(`${url}/sources`)).text(), /<p>loading<!-- -->: <\/p>/);
    await withChromium(url, async () => {
      assert.deepEqual(await site.nextReport(), { step: '/' });
      assert.deepEqual(await site.nextReport(), { step: '/sources', titles: 'first', notice: 'made on the server' });
      await ana.post(`/api/vaults/${vaultId}/sources`, { ...PAPER, title: 'second' });
      assert.equal((await site.nextReport()).titles, 'second,first');
    });
    assert.doesNotMatch(server.output, /Error|⨯/);
  } finally {
    await server.stop();
  }
});
