// Cut connections in Node, against the real service.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { connect } from 'vaultcast-client';
import { startClient } from './cut-clients.mjs';
import { CLIENTS, CutService } from './cut-service.mjs';

let service;
const clients = [];
after(async () => {
  for (const { client } of clients) client.close();
  await service?.close();
});

test('after two hundred cuts in a stream of mutations by eight writers, every client has the lists of the service', { timeout: 300_000 }, async () => {
  service = await CutService.start();
  let recovered = 0;
  const failure = new Promise((_, reject) => {
    for (const number of CLIENTS.keys()) {
      const onConnect = (isRecovered) => {
        recovered += isRecovered ? 1 : 0;
        service.setConnected(number, true);
      };
      const onDisconnect = () => service.setConnected(number, false);
      clients.push(startClient({ connect, onConnect, onDisconnect, onError: reject, ...service.optionsOf(number) }));
    }
  });
  const members = service.changeMembers();
  await Promise.race([failure, members, service.cutAll()]);
  service.stop();
  await members;
  await Promise.all(clients.map((client) => client.stop()));

  const head = await service.head();
  await Promise.all(clients.map((client) => client.settle(head)));
  const lists = await service.lists();
  for (const { vault, record } of clients) {
    const { sources, members } = vault.getSnapshot();
    assert.deepEqual({ sources, members }, lists, record.name);
    await service.assertMatchesJournal(record);
  }
  assert(recovered > 0, 'some connections are recovered');
  console.log(`${head} events, ${recovered} recovered connections`);
});
