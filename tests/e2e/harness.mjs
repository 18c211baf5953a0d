// What the stories stand on. `story` runs a test once per transport against the one service of its test file, gives it
// people, vaults and sockets of its own, shows what the service said when it fails, and clears away its sockets. A file
// whose service needs settings of its own has `const story = storiesOn({ … })`.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Listener } from './listener.mjs';
import { Person } from './person.mjs';
import { Proxy } from './proxy.mjs';
import { Service } from './service.mjs';

export { PAPER, range } from './plain.mjs';

/** Each story is told over each of these. */
const TRANSPORTS = [
  { name: 'default settings', options: {} },
  { name: 'polling', options: { transports: ['polling'] } },
  { name: 'websocket', options: { transports: ['websocket'] } },
];

let stories = 0;

/** Stories on one service with these settings, which starts with the first of them. */
export function storiesOn(settings) {
  let starting;
  after(async () => {
    const service = await starting?.catch(() => undefined);
    await service?.dispose();
  });
  return (sentence, tell) => {
    for (const transport of TRANSPORTS) {
      test(`${sentence} (${transport.name})`, { timeout: 60_000 }, async () => {
        const service = await (starting ??= Service.start('serve', settings));
        const before = service.output.length;
        const world = new World(service, transport.options, ++stories);
        try {
          await tell(world);
        } catch (error) {
          console.error(`--- what the service said during "${sentence}"\n${service.output.slice(before)}---`);
          throw error;
        } finally {
          await world.close();
        }
      });
    }
  };
}

export const story = storiesOn({});

/** The people, vaults and sockets of one story. Its helpers may be taken out by name. */
class World {
  #listeners = [];
  #proxies = [];

  constructor(service, transport, number) {
    Object.assign(this, { service, transport });

    /** Someone new to the service, who keeps away from the people of other stories. */
    this.user = (name) => new Person(service, `${name}-${number}`, name[0].toUpperCase() + name.slice(1), `${name}-${number}@example.com`);

    /** A vault of `owner`'s with members, as `vault(ana, { contributor: [ben], viewer: [cem] })`. */
    this.vault = async (owner, members = {}) => {
      const { body } = (await owner.post('/api/vaults', { name: `the vault of ${owner.name}` })).is(201);
      for (const [role, people] of Object.entries(members)) {
        for (const { id: userId } of people) {
          (await owner.post(`/api/vaults/${body.id}/members`, { userId, role })).is(201);
        }
      }
      return { id: body.id, seq: Object.values(members).flat().length };
    };

    /** A network of the story's own in front of the service. */
    this.proxy = async () => {
      const proxy = await Proxy.inFrontOf(service);
      this.#proxies.push(proxy);
      return proxy;
    };

    /** A client that tries to connect, with whatever options, and by whatever way. */
    this.knock = ({ via = service, ...options } = {}) => {
      const listener = new Listener(via.url, { ...transport, ...options });
      this.#listeners.push(listener);
      return listener;
    };

    /** The user's client, connected. */
    this.socket = async (user, options) => {
      const listener = this.knock({ auth: { token: user.token() }, ...options });
      await listener.hears('connect');
      return listener;
    };
  }

  async close() {
    for (const listener of this.#listeners) listener.close();
    for (const proxy of this.#proxies) await proxy.close();
  }
}

/** The object has these fields and no others. */
export function hasExactly(object, fields) {
  assert.deepEqual(Object.keys(object).sort(), [...fields].sort(), JSON.stringify(object));
}

/** ISO 8601 in UTC with milliseconds. */
export function isTime(text) {
  assert.match(text, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert(Math.abs(Date.now() - Date.parse(text)) < 60_000, `${text} is not now`);
}
