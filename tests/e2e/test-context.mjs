// The base of most end-to-end tests. `testEachTransport` runs a test once per transport against the one service of its test file,
// gives it users, vaults and clients of its own, prints the service's output on failure, and closes its clients. A test file whose
// service needs other settings uses `const testEachTransport = testEachTransportWith({ … })`.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { CuttingProxy } from './cutting-proxy.mjs';
import { TestClient } from './test-client.mjs';
import { TestServer } from './test-server.mjs';
import { TestUser } from './test-user.mjs';

export { PAPER, range } from './fixtures.mjs';

export const TRANSPORTS = [
  { name: 'default settings', options: {} },
  { name: 'polling', options: { transports: ['polling'] } },
  { name: 'websocket', options: { transports: ['websocket'] } },
];

let contexts = 0;

/** Returns a function that starts a service with these settings at its first call. The service is stopped after the tests. */
export function sharedService(settings) {
  let starting;
  after(async () => {
    const service = await starting?.catch(() => undefined);
    await service?.dispose();
  });
  return () => (starting ??= TestServer.start('serve', settings));
}

/** Returns a test function whose tests share one service with these settings. The first test starts the service. */
export function testEachTransportWith(settings) {
  const service = sharedService(settings);
  return (title, run) => {
    for (const transport of TRANSPORTS) {
      test(`${title} (${transport.name})`, { timeout: 600_000 }, async () => {
        await new TestContext(await service(), transport.options, ++contexts).run(title, run);
      });
    }
  };
}

export const testEachTransport = testEachTransportWith({});

/** The users, vaults and clients of one test. Its functions may be destructured. */
export class TestContext {
  #clients = [];
  #proxies = [];

  /** `number` distinguishes the contexts of one service, and `Client` is the class of its clients. */
  constructor(service, transport, number, Client = TestClient) {
    Object.assign(this, { service, transport });

    /** Returns a user whose id no other test uses. */
    this.newUser = (name) => new TestUser(service, `${name}-${number}`, name[0].toUpperCase() + name.slice(1), `${name}-${number}@example.com`);

    /** Creates a vault with members: `newVault(ana, { contributor: [ben], viewer: [cem] })`. */
    this.newVault = async (owner, members = {}) => {
      const { body } = (await owner.post('/api/vaults', { name: `the vault of ${owner.name}` })).expectStatus(201);
      for (const [role, users] of Object.entries(members)) {
        for (const { id: userId } of users) {
          (await owner.post(`/api/vaults/${body.id}/members`, { userId, role })).expectStatus(201);
        }
      }
      return { id: body.id, seq: Object.values(members).flat().length };
    };

    /** Starts a proxy in front of the service. */
    this.startProxy = async () => {
      const proxy = await CuttingProxy.start(service);
      this.#proxies.push(proxy);
      return proxy;
    };

    /** Opens a client with these options, without waiting for its connection; `via` is a proxy to connect through. */
    this.openClient = ({ via = service, ...options } = {}) => {
      const client = new Client(via.url, { ...transport, ...options });
      this.#clients.push(client);
      return client;
    };

    /** Opens a client of the user and waits until it is connected, and has upgraded if its connection can be cut by a proxy. */
    this.connectClient = async (user, options) => {
      const client = this.openClient({ ...Client.credentials(user.token()), ...options });
      await client.nextEvent('connect');
      if (options?.via) await client.waitForUpgrade();
      return client;
    };
  }

  /** Runs the test, prints the service's output on failure, and closes everything that was opened. */
  async run(title, run) {
    const outputBefore = this.service.output.length;
    try {
      await run(this);
    } catch (error) {
      console.error(`--- output of the service during "${title}"\n${this.service.output.slice(outputBefore)}---`);
      throw error;
    } finally {
      await this.close();
    }
  }

  async close() {
    for (const client of this.#clients) client.close();
    for (const proxy of this.#proxies) await proxy.close();
  }
}

/** Asserts that the object has exactly these keys. */
export function assertKeys(object, keys) {
  assert.deepEqual(Object.keys(object).sort(), [...keys].sort(), JSON.stringify(object));
}

/** Asserts that the text is a time of the last minute in ISO 8601, UTC with milliseconds. */
export function assertRecentTime(text) {
  assert.match(text, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert(Math.abs(Date.now() - Date.parse(text)) < 60_000, `${text} is not within a minute of now`);
}
