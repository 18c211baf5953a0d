// Every option of the official client's documentation that concerns the connection (https://socket.io/docs/v4/client-options/), with
// the oldest and the newest supported client over each transport. Each client uses the service as an application does.
// Independent of the database: runs once, on SQLite.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { connect as connectTo } from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { Fetch, NodeWebSocket, NodeXHR, XHR } from 'engine.io-client';
import { io as newest } from 'socket.io-client';
import { io as oldest } from 'socket.io-client-4.0';
import { TestSite, withChromium } from './chromium.mjs';
import { PAPER } from './fixtures.mjs';
import { DEFAULT_TIMEOUT, Observable } from './observable.mjs';
import { TestServer } from './test-server.mjs';
import { TestUser } from './test-user.mjs';

const CLIENTS = { '4.0': oldest, 4.8: newest };
const TRANSPORTS = [['polling'], ['websocket'], ['polling', 'websocket'], ['websocket', 'polling']];
const NEWEST = ['4.8'];

const site = new TestSite();
let service, ana, vault, tlsProxy;

before(async () => {
  await site.start();
  service = await TestServer.start('serve', { VAULTCAST__SERVER__ALLOWED_ORIGINS: JSON.stringify([`http://127.0.0.1:${site.port}`]) });
  ana = new TestUser(service, 'ana', 'Ana', 'ana@example.com');
  vault = (await ana.post('/api/vaults', { name: 'Plans' })).expectStatus(201).body;
  tlsProxy = await startTlsProxy();
});

after(async () => {
  tlsProxy?.close();
  await Promise.all([service?.dispose(), site.close()]);
});

/** Starts a proxy in front of the service that accepts TLS, with a certificate of its own. */
async function startTlsProxy() {
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => path.join(service.directory, name));
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-keyout', key, '-out', cert, ...subject], { stdio: 'ignore' });
  const certificate = readFileSync(cert);
  const server = tls.createServer({ key: readFileSync(key), cert: certificate }, (client) => {
    const target = connectTo(service.port, '127.0.0.1');
    for (const [from, to] of [[client, target], [target, client]]) from.on('error', () => {}).on('close', () => to.destroy()).pipe(to);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `https://127.0.0.1:${server.address().port}`, ca: certificate, cert: certificate, key: readFileSync(key), close: () => server.close() };
}

/** An official client, and what it has received. */
class OptionsClient extends Observable {
  #received = [];

  constructor(io, url, options) {
    super();
    this.socket = io(url, { auth: { token: ana.token() }, forceNew: true, ...options });
    for (const event of ['connect', 'connect_error', 'disconnect']) this.socket.on(event, (...args) => this.#add(event, args));
    this.socket.onAny((event, ...args) => this.#add(event, args));
  }

  #add(event, args) {
    this.#received.push({ event, args });
    this.notify();
  }

  /** Waits until a matching event has been received and returns its arguments. */
  async received(event, matches = () => true) {
    const find = () => this.#received.find((entry) => entry.event === event && matches(...entry.args));
    return (await this.waitFor(find, () => `no ${event} but ${JSON.stringify(this.#received.slice(-5))}`)).args;
  }

  request(event, ...args) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${event} was not acknowledged`)), DEFAULT_TIMEOUT);
      this.socket.emit(event, ...args, (...answer) => {
        clearTimeout(timer);
        // With `ackTimeout` the first argument is the error.
        resolve(answer.at(-1));
      });
    });
  }

  /** Joins the vault, changes it, and receives the event. */
  async useService() {
    await this.received('connect');
    const joined = await this.request('vault:join', vault.id);
    assert.equal(joined.ok, true, JSON.stringify(joined));
    const created = await this.request('source:created', { vaultId: vault.id, source: PAPER });
    assert.equal(created.ok, true, JSON.stringify(created));
    await this.received('source:created', ({ source }) => source.id === created.source.id);
    // An attachment, which no event of the service expects.
    const refused = await this.request('vault:join', Buffer.from([1, 2, 255]));
    assert.equal(refused.error?.code, 'INVALID_VAULT_ID', JSON.stringify(refused));
  }

  /** Waits until the client has upgraded to this transport, if it has not. */
  async usesTransport(name) {
    const { engine } = this.socket.io;
    engine.on('upgrade', () => this.notify());
    await this.waitFor(() => engine.transport.name === name || undefined, () => `transport ${engine.transport.name}`);
  }
}

/** Asserts that the websocket has this subprotocol, once the client uses one. */
const subprotocol = (expected) => async (client, transports) => {
  if (!transports.includes('websocket')) return;
  await client.usesTransport('websocket');
  assert.equal(client.socket.io.engine.transport.ws.protocol, expected);
};

const overTls = (options) => () => ({ url: tlsProxy.url, ...options(tlsProxy) });

/**
 * The options by name. An entry has the `options` of the client, and may have the `clients` and `transports` to which they apply, a
 * `check` of the client after it has used the service, or the `refusal`: a check instead of that use.
 */
const OPTIONS = {
  none: {},

  // Of the function `io`.
  'forceNew: false': { options: { forceNew: false, query: { instance: 'shared' } } },
  'multiplex: false': { options: { forceNew: false, multiplex: false } },

  // Of the engine.
  'addTrailingSlash: false': { options: { addTrailingSlash: false }, clients: NEWEST },
  autoUnref: { options: { autoUnref: true } },
  closeOnBeforeunload: { options: { closeOnBeforeunload: true } },
  'extraHeaders: a session': { options: () => ({ auth: undefined, extraHeaders: { Authorization: `Bearer ${ana.token()}` } }) },
  'extraHeaders: any': { options: { extraHeaders: { 'My-Header': 'abcd', 'X-Request-Id': 'ä b', Cookie: 'a=1; b="2"' } } },
  forceBase64: { options: { forceBase64: true } },
  path: { options: { path: '/socket.io' } },
  'path: another': { options: { path: '/another/', reconnection: false }, refusal: isNotFound },
  protocols: { options: { protocols: ['my-protocol-v1'] }, check: subprotocol('my-protocol-v1') },
  'protocols: several': { options: { protocols: ['b', 'a'] }, check: subprotocol('b') },
  query: { options: { query: { x: 42, 'ä b&': '=%zz+', empty: '', list: ['a', 'b'], EIO: '3', b64: '', t: 'mine' } } },
  'query: names of other protocols': { options: { query: { j: '0', upgrade: 'h2c', token: 'abc' } } },
  'query: in the URL': { options: () => ({ url: `${service.url}?a=1&a=2` }) },
  rememberUpgrade: { options: { rememberUpgrade: true, transports: ['polling', 'websocket'] }, check: (client) => client.usesTransport('websocket') },
  'rememberUpgrade: later': { options: { rememberUpgrade: true, transports: ['polling', 'websocket'] }, check: (client) => client.usesTransport('websocket') },
  timestampParam: { options: { timestampParam: 'ts' } },
  'timestampRequests: true': { options: { timestampRequests: true } },
  'timestampRequests: false': { options: { timestampRequests: false } },
  transportOptions: { options: () => ({ auth: undefined, transportOptions: perTransport({ extraHeaders: { authorization: `Bearer ${ana.token()}` } }) }) },
  'transports: in this order': { transports: [['polling', 'websocket']], check: (client) => client.usesTransport('websocket') },
  'transports: websocket first': { transports: [['websocket', 'polling']], check: (client) => client.usesTransport('websocket') },
  'transports: with webtransport': {
    options: { transports: ['polling', 'websocket', 'webtransport'] },
    clients: NEWEST,
    check: (client) => client.usesTransport('websocket'),
  },
  'transports: implementations': { options: { transports: [NodeXHR, NodeWebSocket] }, clients: NEWEST, check: (client) => client.usesTransport('websocket') },
  'transports: Fetch': { options: { transports: [Fetch] }, clients: NEWEST },
  tryAllTransports: { options: { tryAllTransports: true }, clients: NEWEST },
  'tryAllTransports: the first fails': { options: { tryAllTransports: true, transports: [XHR, NodeWebSocket] }, clients: NEWEST },
  'upgrade: false': { options: { upgrade: false }, check: (client, [first]) => client.usesTransport(first) },
  withCredentials: { options: { withCredentials: true } },

  // Of Node.js.
  agent: { options: () => ({ agent: new http.Agent({ keepAlive: true }) }) },
  'agent: two connections': { options: () => ({ agent: new http.Agent({ keepAlive: true, maxSockets: 2 }) }) },
  'agent: TLS': { options: overTls(({ ca }) => ({ agent: new https.Agent({ ca }) })) },
  ca: { options: overTls(({ ca }) => ({ ca })) },
  'cert, key, ciphers': { options: overTls(({ ca, cert, key }) => ({ ca, cert, key, ciphers: 'ECDHE-RSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256' })) },
  'rejectUnauthorized: false': { options: overTls(() => ({ rejectUnauthorized: false })) },
  rejectUnauthorized: { options: overTls(() => ({ reconnection: false })), refusal: failsToConnect },
  perMessageDeflate: { options: { perMessageDeflate: { threshold: 0 } } },

  // Of the manager.
  'autoConnect: false': { options: { autoConnect: false }, open: (client) => client.socket.connect() },
  // A client that is closed in the middle of an upgrade notices it only by its heartbeat.
  parser: { options: { parser: bufferParser(), reconnection: false }, transports: [['polling'], ['websocket']], refusal: isClosedForItsParser },
  randomizationFactor: { options: { randomizationFactor: 0 }, check: comesBack },
  'reconnection: false': { options: { reconnection: false } },
  reconnectionAttempts: { options: { reconnectionAttempts: 3, reconnectionDelay: 20, reconnectionDelayMax: 50 }, check: comesBack },
  timeout: { options: { timeout: 15_000 } },

  // Of the socket.
  ackTimeout: { options: { ackTimeout: 15_000 }, clients: NEWEST },
  'auth: an object': { options: () => ({ auth: { token: ana.token(), more: { deep: [1, null] } } }) },
  'auth: a function': { options: () => ({ auth: (send) => setTimeout(send, 10, { token: ana.token() }) }) },
  'auth: none': { options: { auth: undefined }, refusal: isUnauthorized },
  'auth: no token': { options: { auth: {} }, refusal: isUnauthorized },
  retries: { options: { retries: 3, ackTimeout: 15_000 }, clients: NEWEST },
};

/** Returns the value of `transportOptions` that gives each transport these options. */
function perTransport(options) {
  return { polling: options, websocket: options };
}

async function failsToConnect(client) {
  await client.received('connect_error');
}

/** The newest client also reports the status. */
async function isNotFound(client) {
  const [{ context, description }] = await client.received('connect_error');
  if (context instanceof Object && 'status' in context) assert.equal(context.status, 404, String(description));
}

async function isUnauthorized(client) {
  const [{ message }] = await client.received('connect_error');
  assert.equal(message, 'UNAUTHORIZED');
}

/** A parser whose packets are binary, as those of `socket.io-msgpack-parser`. */
function bufferParser() {
  class Encoder {
    encode(packet) {
      return [Buffer.from(JSON.stringify(packet))];
    }
  }
  class Decoder {
    on() {
      return this;
    }
    add() {
      throw new Error('not a packet of this parser');
    }
    destroy() {}
    off() {}
  }
  return { Encoder, Decoder };
}

/** The first packet of the client is malformed. The service closes the transport at once and logs it. */
async function isClosedForItsParser(client) {
  const [reason] = await client.received('disconnect');
  assert.match(reason, /transport (close|error)|parse error/);
  await service.waitForOutput(/socket closed: protocol violation.*parse error/);
}

/** Loses its connection and comes back. */
async function comesBack(client) {
  const { id } = client.socket;
  client.socket.io.engine.close();
  await client.received('disconnect');
  await client.waitFor(() => (client.socket.connected ? true : undefined), () => `${id} did not come back`);
  await client.useService();
}

for (const [name, { options = {}, clients = Object.keys(CLIENTS), transports = TRANSPORTS, check, refusal, open }] of Object.entries(OPTIONS)) {
  test(`option ${name}`, { timeout: 180_000 }, async () => {
    const run = async (version, transports) => {
      const { url = service.url, ...rest } = typeof options === 'function' ? options() : options;
      const client = new OptionsClient(CLIENTS[version], url, { transports, ...rest });
      try {
        open?.(client);
        if (refusal) return await refusal(client, transports);
        await client.useService();
        await check?.(client, transports);
      } catch (error) {
        throw new Error(`client ${version}, ${transports}: ${error.stack}`);
      } finally {
        client.socket.disconnect();
      }
    };
    const effective = typeof options !== 'function' && options.transports ? [options.transports] : transports;
    await Promise.all(clients.flatMap((version) => effective.map((transports) => run(version, transports))));
  });
}

/** The options that a browser treats in a way of its own. */
const BROWSER_OPTIONS = {
  none: {},
  protocols: { protocols: ['my-protocol-v1', 'other'] },
  forceBase64: { forceBase64: true },
  withCredentials: { withCredentials: true },
  closeOnBeforeunload: { closeOnBeforeunload: true },
  'addTrailingSlash: false': { addTrailingSlash: false },
  'timestampRequests: false': { timestampRequests: false },
  rememberUpgrade: { rememberUpgrade: true },
  'upgrade: false': { upgrade: false },
  'with webtransport': { transports: ['polling', 'websocket', 'webtransport'] },
  'webtransport first': { transports: ['webtransport', 'websocket'], tryAllTransports: true },
  'only webtransport': { transports: ['webtransport'] },
};

/** Runs in the browser: uses the service with each of the options and returns the results by name. */
async function useEachOption({ url, token, vault, options, transports }) {
  const use = (more) =>
    new Promise((resolve) => {
      const socket = window.io(url, { auth: { token }, forceNew: true, reconnection: false, ...more });
      const end = (result) => {
        socket.disconnect();
        resolve(result);
      };
      socket.on('connect_error', () => end('refused'));
      setTimeout(() => end('no answer'), 30_000);
      socket.on('connect', async () => {
        const { role } = await socket.timeout(30_000).emitWithAck('vault:join', vault);
        const refused = await socket.timeout(30_000).emitWithAck('vault:join', new Uint8Array([1, 2, 255]));
        const { transport } = socket.io.engine;
        const selected = transport.ws?.protocol || undefined;
        // The client closes its transport, without an event.
        if (more.closeOnBeforeunload) window.dispatchEvent(new Event('beforeunload'));
        end([role, refused.error.code, ...(selected ? [selected] : [])].join(' '));
      });
    });
  const results = {};
  for (const [name, more] of Object.entries(options)) {
    results[name] = [];
    // One after the other, because `beforeunload` concerns every client of the page.
    for (const used of more.transports ? [more.transports] : transports) results[name].push(await use({ transports: used, ...more }));
  }
  return results;
}

test('options in Chromium', { timeout: 180_000 }, async () => {
  const scope = { url: service.url, token: ana.token(), vault: vault.id, options: BROWSER_OPTIONS, transports: [['polling'], ['websocket']] };
  site.addPage('/options', useEachOption, scope);
  await withChromium(`http://127.0.0.1:${site.port}/options`, async () => {
    const results = await site.waitForReport('/options');
    const used = 'owner INVALID_VAULT_ID';
    for (const name of Object.keys(BROWSER_OPTIONS)) {
      const expected = {
        protocols: [used, `${used} my-protocol-v1`],
        'with webtransport': [used],
        'webtransport first': [used],
        'only webtransport': ['refused'],
      };
      assert.deepEqual(results[name], expected[name] ?? [used, used], `${name}: ${JSON.stringify(results)}`);
    }
  });
});
