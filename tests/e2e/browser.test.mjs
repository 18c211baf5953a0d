// The browser builds of the client in a real Chromium: a page of another origin than the layer's, which reports what came
// of it.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { withChromium } from './chromium.mjs';
import { Echo } from './echo.mjs';
import { Proxy } from './proxy.mjs';
import { Watched } from './waiting.mjs';

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
  echo = await Echo.start('--connect-timeout', '10s');
});
after(() => echo?.stop());

/** What the page does. It runs in the browser, with `io` of the build and what it is told here. */
async function page(io, { url, options }) {
  const report = (what) => fetch('/report', { method: 'POST', body: JSON.stringify(what) });
  const next = (socket, name) => new Promise((resolve) => socket.once(name, (...args) => resolve(args)));
  const bytes = (data) => [...new Uint8Array(data)];
  const expect = (found, wanted, what) => {
    if (JSON.stringify(found) !== JSON.stringify(wanted)) throw new Error(`${what}: ${JSON.stringify(found)}`);
  };
  try {
    const socket = io(url, { ...options, auth: { token: 'abc' }, reconnectionDelay: 10, reconnectionDelayMax: 50 });
    expect(await next(socket, 'auth'), [{ token: 'abc' }], 'auth');

    const binary = new Uint8Array([1, 2, 3, 255]).buffer;
    const large = new Uint8Array(200_000).fill(7).buffer;
    for (const [sent, heard] of [[binary, [1, 2, 3, 255]], [large, bytes(large)], [new Blob(['ab']), [97, 98]]]) {
      const back = next(socket, 'message-back');
      socket.emit('message', 'text ✓', sent);
      const [text, data] = await back;
      expect([text, bytes(data)], ['text ✓', heard], 'message-back');
    }
    const acknowledged = await new Promise((resolve) =>
      socket.emit('message-with-ack', 1, binary, (...args) => resolve(args)),
    );
    expect([acknowledged[0], bytes(acknowledged[1])], [1, [1, 2, 3, 255]], 'acknowledged');

    socket.on('question', (data, answer) => answer('I heard', data));
    const answered = next(socket, 'answered');
    socket.emit('ask', binary);
    const [said, data] = await answered;
    expect([said, bytes(data)], ['I heard', [1, 2, 3, 255]], 'answered');

    let expected = 0;
    const streamed = new Promise((resolve, reject) => {
      socket.on('message-back', (number) => {
        if (number !== expected++) reject(new Error(`${number} came back where ${expected - 1} was due`));
        if (expected === 2000) resolve();
        if (number + 200 < 2000) socket.emit('message', number + 200);
      });
    });
    for (let number = 0; number < 200; number += 1) socket.emit('message', number);
    await streamed;
    const upgraded = () => socket.io.engine.transport.name;
    if (!options.transports && upgraded() !== 'websocket') await next(socket.io.engine, 'upgrade');
    expect(upgraded(), options.transports?.[0] ?? 'websocket', 'transport');

    const lost = next(socket, 'disconnect');
    await fetch('/cut');
    await lost;
    const back = next(socket, 'auth');
    await fetch('/mend');
    expect(await back, [{ token: 'abc' }], 'auth after the cut');
    await report('well');
  } catch (error) {
    await report(String(error.stack ?? error));
  }
}

/** Serves the page, and hears its report. */
class Stage extends Watched {
  reports = [];

  static async with(build, told, proxy) {
    const stage = new Stage();
    const script = await readFile(fileURLToPath(new URL(build, import.meta.url)));
    const html = `<!doctype html><meta charset="utf-8"><script src="/client.js"></script><script>(${page})(io, ${JSON.stringify(told)})</script>`;
    stage.server = createServer(async (request, response) => {
      if (request.url === '/cut') proxy.cut();
      if (request.url === '/mend') proxy.mend();
      if (request.url === '/report') {
        stage.reports.push(JSON.parse(Buffer.concat(await request.toArray())));
        stage.changed();
      }
      response.setHeader('content-type', request.url === '/client.js' ? 'text/javascript' : 'text/html');
      response.end({ '/': html, '/client.js': script }[request.url]);
    });
    await new Promise((resolve) => stage.server.listen(0, '127.0.0.1', resolve));
    stage.url = `http://127.0.0.1:${stage.server.address().port}/`;
    return stage;
  }

  close() {
    this.server.close();
    this.server.closeAllConnections();
  }
}

for (const [client, build] of Object.entries(BUILDS)) {
  for (const [transport, options] of Object.entries(TRANSPORTS)) {
    test(`in Chromium, ${client} is whole (${transport})`, { timeout: 90_000 }, async () => {
      const proxy = await Proxy.inFrontOf(echo);
      const stage = await Stage.with(build, { url: proxy.url, options }, proxy);
      try {
        await withChromium(stage.url, async () => {
          assert.equal(await stage.until(() => stage.reports[0], () => 'no report', 60_000), 'well');
        });
      } finally {
        await proxy.close();
        stage.close();
      }
    });
  }
}
