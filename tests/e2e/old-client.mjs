// The official clients of Socket.IO 2 as recording clients, and a test function that runs a test with each of them over each
// transport. Everything that they receive is checked against the AsyncAPI document; events have no offset.

import io21 from 'socket.io-client-2.1';
import io25 from 'socket.io-client-2.5';
import { test } from 'node:test';
import { EVENT_NAMES, checkVersion3Packet } from './contract.mjs';
import { DEFAULT_TIMEOUT } from './observable.mjs';
import { CONNECTION_EVENTS, RecordingClient } from './recording-client.mjs';
import { sharedService, TestContext, TRANSPORTS } from './test-context.mjs';

/** The tested releases, by name. */
export const OLD_RELEASES = { 'socket.io-client 2.1': io21, 'socket.io-client 2.5': io25 };

/** The setting that admits them. */
export const ALLOW_OLD_CLIENTS = { VAULTCAST__SOCKETIO__ALLOW_EIO3: 'true' };

export class OldClient extends RecordingClient {
  /** `headers` are sent with each request; the other options are those of the client. */
  constructor(io, url, { headers = {}, ...options } = {}) {
    super();
    this.socket = io(url, { forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 200, ...headerOptions(headers), ...options });
    this.socket.io.on('packet', checkVersion3Packet);
    for (const event of [...CONNECTION_EVENTS, ...EVENT_NAMES]) this.socket.on(event, (...args) => this.record(event, ...args));
  }

  /** The options of a client with this session token. The client has no `auth` option. */
  static credentials(token) {
    return { headers: { authorization: `Bearer ${token}` } };
  }

  /** Replaces the headers, from the next connection on. */
  setHeaders(headers) {
    Object.assign(this.socket.io.opts, headerOptions(headers));
  }

  /** The client has no timeouts of acknowledgements. */
  requestAck(event, ...args) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('timeout')), DEFAULT_TIMEOUT);
      this.socket.emit(event, ...args, (ack) => (clearTimeout(timer), resolve(ack)));
    });
  }
}

/** Returns the options of a client that sends these headers with each request. */
const headerOptions = (extraHeaders) => ({ extraHeaders, transportOptions: { polling: { extraHeaders }, websocket: { extraHeaders } } });

/** Returns a class of clients of this release, with the interface of {@link OldClient} but for the first parameter. */
const clientOf = (io) =>
  class extends OldClient {
    constructor(url, options) {
      super(io, url, options);
    }
  };

let contexts = 0;

/** The name of each release over each transport, and a function that returns a context of it. */
const COMBINATIONS = Object.entries(OLD_RELEASES).flatMap(([release, io]) =>
  TRANSPORTS.map((transport) => ({
    name: `${release}, ${transport.name}`,
    newContext: (service) => new TestContext(service, transport.options, `v2-${++contexts}`, clientOf(io)),
  })),
);

/** Returns a test function whose tests share one service with these settings, and run with each release over each transport. */
export function testEachOldClientWith(settings = {}) {
  const service = sharedService({ ...ALLOW_OLD_CLIENTS, ...settings });
  return (title, run) => {
    for (const { name, newContext } of COMBINATIONS) {
      test(`${title} (${name})`, { timeout: 180_000 }, async () => newContext(await service()).run(title, run));
    }
  };
}

/** Returns a test function whose tests share one service with these settings. A test receives a context of each release over each
 * transport, so that what takes long is done for all of them at once. */
export function testOldClientsTogetherWith(settings = {}) {
  const service = sharedService({ ...ALLOW_OLD_CLIENTS, ...settings });
  return (title, run) =>
    test(title, { timeout: 600_000 }, async () => {
      const started = await service();
      const contexts = COMBINATIONS.map(({ newContext }) => newContext(started));
      const [first, ...others] = contexts;
      try {
        await first.run(title, () => run(contexts));
      } finally {
        for (const context of others) await context.close();
      }
    });
}
