// Cut connections in Chromium, against the real service.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { withChromium } from '../../tests/e2e/chromium.mjs';
import { CLIENTS, CutService } from './cut-service.mjs';
import { Site } from './site.mjs';

let site, service;
after(async () => {
  await service?.close();
  await site?.close();
});

test('after two hundred cuts in Chromium, every client has the lists of the service', { timeout: 300_000 }, async () => {
  site = await Site.start();
  service = await CutService.start({ VAULTCAST__SERVER__ALLOWED_ORIGINS: JSON.stringify([site.url]) });
  const entryPoints = [fileURLToPath(new URL('cut-page.mjs', import.meta.url))];
  const { outputFiles } = await build({ entryPoints, bundle: true, format: 'esm', write: false, logLevel: 'error' });
  const options = JSON.stringify([...CLIENTS.keys()].map((number) => service.optionsOf(number)));
  site.serve({
    '/': `<!doctype html><script id="options" type="application/json">${options}</script><script type="module" src="/page.js"></script>`,
    '/page.js': outputFiles[0].text,
  });
  await withChromium(site.url, async () => {
    let isStopped = false;
    let recovered = 0;
    const records = [];
    const readReports = async () => {
      while (records.length < CLIENTS.length) {
        const { failed, number, isConnected, recovered: isRecovered, stopped, record, lists } = await site.nextReport(20_000);
        if (failed) throw new Error(failed);
        if (number !== undefined) service.setConnected(number, isConnected);
        if (isRecovered) recovered += 1;
        if (stopped) isStopped = true;
        if (record) records.push({ record, lists });
        service.notify();
      }
    };
    const describe = async (error) => {
      site.send({ command: 'describe' });
      const { states } = await site.nextReport();
      throw new Error(`${error.message}; head ${await service.head()}, stopped: ${isStopped}, records: ${records.length}\n${states.map((state) => JSON.stringify(state)).join('\n')}`);
    };
    const reports = readReports().catch(describe);
    const run = async () => {
      const members = service.changeMembers();
      await Promise.race([members, service.cutAll()]);
      service.stop();
      await members;
      site.send({ command: 'stop' });
      await service.waitFor(() => isStopped || undefined, () => 'the writers did not stop', 90_000);
      site.send({ command: 'finish', argument: await service.head() });
    };
    await Promise.all([reports, run()]);
    const lists = await service.lists();
    for (const client of records) {
      assert.deepEqual(client.lists, lists, client.record.name);
      await service.assertMatchesJournal(client.record);
    }
    assert(recovered > 0, 'some connections are recovered');
    console.log(`${await service.head()} events, ${recovered} recovered connections`);
  });
});
