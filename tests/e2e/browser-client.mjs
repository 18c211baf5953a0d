// The browser builds of Socket.IO 2 as recording clients: the socket is in a page of Chromium, and its events are recorded here. The
// page has the origin of the server, as behind a proxy, and a window and cookies of its own.

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { EVENT_NAMES } from './contract.mjs';
import { DEFAULT_TIMEOUT } from './observable.mjs';
import { CONNECTION_EVENTS, RecordingClient } from './recording-client.mjs';

const buildOf = (name) => fileURLToPath(new URL(`node_modules/${name}/dist/socket.io.js`, import.meta.url));

/** The builds, by the name of the release. */
export const OLD_BUILDS = { 'socket.io-client 2.1': buildOf('socket.io-client-2.1'), 'socket.io-client 2.5': buildOf('socket.io-client-2.5') };

/** The path of the page, in the origin of the server: the refusal of a request that names no transport. */
const PAGE = '/socket.io/';

export class BrowserClient extends RecordingClient {
  #context;
  #page;

  /** Opens a page of the server at `url`, and in it a client with these options. `cookie` is the session of the page. */
  static async open(browser, build, url, options, cookie) {
    const client = new BrowserClient();
    client.#context = await browser.newContext();
    if (cookie) await client.#context.addCookies([{ ...cookie, url, httpOnly: true, sameSite: 'Lax' }]);
    client.#page = await client.#context.newPage();
    await client.#page.exposeFunction('record', (event, args) => client.record(event, ...args));
    await client.#page.goto(url + PAGE);
    await client.#page.evaluate(await readFile(build, 'utf8'));
    await client.#page.evaluate(connect, { options, events: [...CONNECTION_EVENTS, ...EVENT_NAMES] });
    return client;
  }

  /** Calls a function of the test in the page with the socket and this argument, and resolves with its result. */
  evaluate(run, argument) {
    return this.#page.evaluate(`(${run})(socket, ${JSON.stringify(argument)})`);
  }

  emit(event, ...args) {
    void this.evaluate((socket, packet) => void socket.emit(...packet), [event, ...args]);
  }

  requestAck(event, ...args) {
    return this.evaluate((socket, packet) => new Promise((resolve) => socket.emit(...packet, resolve)), [event, ...args]);
  }

  async waitForUpgrade() {
    const isUpgraded = () => globalThis.socket.io.engine.transport.name === 'websocket' || !globalThis.socket.io.engine.transports.includes('websocket');
    await this.#page.waitForFunction(isUpgraded, undefined, { timeout: DEFAULT_TIMEOUT });
  }

  async close() {
    await this.#context.close();
  }
}

/** Runs in the page: opens the socket and reports its events in their order. */
function connect({ options, events }) {
  const socket = globalThis.io({ forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 200, ...options });
  globalThis.socket = socket;
  // An Error has no enumerable fields.
  const plain = (value) => (value instanceof Error ? { message: value.message } : value);
  for (const event of events) socket.on(event, (...args) => globalThis.record(event, args.map(plain)));
}
