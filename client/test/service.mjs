// The real service for a test file, with users, vaults, proxies and clients that are closed after each test.

import { after, afterEach } from 'node:test';
import { connect } from 'vaultcast-client';
import { CuttingProxy } from '../../tests/e2e/cutting-proxy.mjs';
import { DEFAULT_TIMEOUT } from '../../tests/e2e/observable.mjs';
import { TestServer } from '../../tests/e2e/test-server.mjs';
import { TestUser } from '../../tests/e2e/test-user.mjs';

export const PAPER = { title: 'A paper', fileUrl: 'https://files.example.com/paper.pdf' };

/** Starts the service when it is first needed. */
export function testService(settings) {
  let started;
  let users = 0;
  const open = [];
  afterEach(async () => {
    for (const resource of open.splice(0).reverse()) await resource.close();
  });
  after(async () => (await started)?.dispose());
  const start = () => (started ??= TestServer.start('serve', settings));
  return {
    start,
    async newUser(name) {
      users += 1;
      return new TestUser(await start(), `${name}-${users}`, name, `${name}-${users}@example.com`);
    },
    /** Creates a vault with members: `newVault(ana, { viewer: [cem] })`. */
    async newVault(owner, members = {}) {
      const { id } = (await owner.post('/api/vaults', { name: 'Papers' })).expectStatus(201).body;
      for (const [role, users] of Object.entries(members)) {
        for (const { id: userId } of users) (await owner.post(`/api/vaults/${id}/members`, { userId, role })).expectStatus(201);
      }
      return id;
    },
    async newProxy() {
      const proxy = await CuttingProxy.start(await start());
      open.push(proxy);
      return proxy;
    },
    /** Returns a client of the user with quick retries. */
    connect(user, { url = user.service.url, ...options } = {}) {
      const socket = { reconnectionDelay: 10, reconnectionDelayMax: 50, ...options.socket };
      const client = connect({ url, auth: () => user.token(), retryDelay: 20, ...options, socket });
      open.push(client);
      return client;
    },
  };
}

/** Resolves when the snapshot satisfies the condition. */
export function until(vault, isSatisfied) {
  return new Promise((resolve, reject) => {
    let unsubscribe;
    const timer = setTimeout(() => finish(() => reject(new Error(`no such snapshot: ${JSON.stringify(vault.getSnapshot())}`))), DEFAULT_TIMEOUT);
    const finish = (settle) => {
      clearTimeout(timer);
      unsubscribe?.();
      settle();
    };
    const check = () => isSatisfied(vault.getSnapshot()) && finish(() => resolve(vault.getSnapshot()));
    unsubscribe = vault.subscribe(check);
    check();
  });
}

/** Resolves with the argument of the next event. */
export function next(source, name) {
  return new Promise((resolve) => {
    const unsubscribe = source.on(name, (argument) => {
      unsubscribe();
      resolve(argument);
    });
  });
}
