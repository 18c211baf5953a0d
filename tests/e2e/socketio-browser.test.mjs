// The browser builds of the official client in a real Chromium, on a page whose origin differs from the server's. The page reports
// its result to the test.
// Independent of the database: runs once, on SQLite.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { withChromium } from './chromium.mjs';
import { EchoServer } from './echo-server.mjs';
import { CuttingProxy } from './cutting-proxy.mjs';
import { DEFAULT_TIMEOUT, Observable } from './observable.mjs';

const BUILDS = {
  'socket.io-client 4.0': 'node_modules/socket.io-client-4.0/dist/socket.io.min.js',
  'socket.io-client 4.8': 'node_modules/socket.io-client/dist/socket.io.min.js',
};
const TRANSPORTS = {
  'default settings': {},
  polling: { transports: ['polling'] },
  websocket: { transports: ['websocket'] },
};

let echo;
before(async () => {
  echo = await EchoServer.start('--connect-timeout', '10s');
});
after(() => echo?.stop());

/** The script of the page. It runs in the browser with the `io` of the build. */
async function page(io, { url, options }) {
  const report = (result) => fetch('/report', { method: 'POST', body: JSON.stringify(result) });
  const next = (socket, name) => new Promise((resolve) => socket.once(name, (...args) => resolve(args)));
  const bytes = (data) => [...new Uint8Array(data)];
  const expect = (actual, expected, name) => {
    if (JSON.stringify(actual) !== JSON.stringify(expected)) throw new Error(`${name}: ${JSON.stringify(actual)}`);
  };
  try {
    const socket = io(url, { ...options, auth: { token: 'abc' }, reconnectionDelay: 10, reconnectionDelayMax: 50 });
    expect(await next(socket, 'auth'), [{ token: 'abc' }], 'auth');

    const binary = new Uint8Array([1, 2, 3, 255]).buffer;
    const large = new Uint8Array(200_000).fill(7).buffer;
    for (const [sent, received] of [[binary, [1, 2, 3, 255]], [large, bytes(large)], [new Blob(['ab']), [97, 98]]]) {
      const echoed = next(socket, 'message-back');
      socket.emit('message', 'text ✓', sent);
      const [text, data] = await echoed;
      expect([text, bytes(data)], ['text ✓', received], 'message-back');
    }
    const acknowledged = await new Promise((resolve) =>
      socket.emit('message-with-ack', 1, binary, (...args) => resolve(args)),
    );
    expect([acknowledged[0], bytes(acknowledged[1])], [1, [1, 2, 3, 255]], 'acknowledged');

    socket.on('question', (data, answer) => answer('received', data));
    const answered = next(socket, 'answered');
    socket.emit('ask', binary);
    const [text, data] = await answered;
    expect([text, bytes(data)], ['received', [1, 2, 3, 255]], 'answered');

    let expected = 0;
    const streamed = new Promise((resolve, reject) => {
      socket.on('message-back', (number) => {
        if (number !== expected++) reject(new Error(`${number} was echoed instead of ${expected - 1}`));
        if (expected === 2000) resolve();
        if (number + 200 < 2000) socket.emit('message', number + 200);
      });
    });
    for (let number = 0; number < 200; number += 1) socket.emit('message', number);
    await streamed;
    const transport = () => socket.io.engine.transport.name;
    if (!options.transports && transport() !== 'websocket') await next(socket.io.engine, 'upgrade');
    expect(transport(), options.transports?.[0] ?? 'websocket', 'transport');

    const disconnected = next(socket, 'disconnect');
    await fetch('/cut');
    await disconnected;
    const reconnected = next(socket, 'auth');
    await fetch('/restore');
    expect(await reconnected, [{ token: 'abc' }], 'auth after the cut');
    await report('passed');
  } catch (error) {
    await report(String(error.stack ?? error));
  }
}

/** The site of the page, which receives its reports. */
class BrowserSite extends Observable {
  reports = [];

  static async start(build, options, proxy) {
    const site = new BrowserSite();
    const script = await readFile(fileURLToPath(new URL(build, import.meta.url)));
    const html = `<!doctype html><meta charset="utf-8"><script src="/client.js"></script><script>(${page})(io, ${JSON.stringify(options)})</script>`;
    site.server = createServer(async (request, response) => {
      if (request.url === '/cut') proxy.cut();
      if (request.url === '/restore') proxy.restore();
      if (request.url === '/report') {
        site.reports.push(JSON.parse(Buffer.concat(await request.toArray())));
        site.notify();
      }
      response.setHeader('content-type', request.url === '/client.js' ? 'text/javascript' : 'text/html');
      response.end({ '/': html, '/client.js': script }[request.url]);
    });
    await new Promise((resolve) => site.server.listen(0, '127.0.0.1', resolve));
    site.url = `http://127.0.0.1:${site.server.address().port}/`;
    return site;
  }

  close() {
    this.server.close();
    this.server.closeAllConnections();
  }
}

for (const [client, build] of Object.entries(BUILDS)) {
  for (const [transport, options] of Object.entries(TRANSPORTS)) {
    test(`${client} passes all checks in Chromium (${transport})`, { timeout: 180_000 }, async () => {
      const proxy = await CuttingProxy.start(echo);
      const site = await BrowserSite.start(build, { url: proxy.url, options }, proxy);
      try {
        await withChromium(site.url, async () => {
          assert.equal(await site.waitFor(() => site.reports[0], () => 'no report', 4 * DEFAULT_TIMEOUT), 'passed');
        });
      } finally {
        await proxy.close();
        site.close();
      }
    });
  }
}
