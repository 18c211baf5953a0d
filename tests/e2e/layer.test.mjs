// The Socket.IO layer alone, with the clients that people have: old and new, on each transport, and the Engine.IO client
// under them.

import assert from 'node:assert/strict';
import { connect as connectTo, createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { Socket as EngineSocket } from 'engine.io-client';
import { io as newest } from 'socket.io-client';
import { io as oldest } from 'socket.io-client-4.0';
import { Echo } from './echo.mjs';
import { Proxy } from './proxy.mjs';
import { Watched } from './waiting.mjs';

const CLIENTS = { 'socket.io-client 4.0': oldest, 'socket.io-client 4.8': newest };
const TRANSPORTS = {
  'default settings': {},
  polling: { transports: ['polling'] },
  websocket: { transports: ['websocket'] },
};

/** More than a client sends at once, and far less than a socket's outbox holds. */
const IN_FLIGHT = 256;
const MANY = 10_000;

let echo;
before(async () => {
  echo = await Echo.start('--connect-timeout', '10s');
});
after(() => echo?.stop());

/** What a client has heard, in order, and the wait for the next of it. */
class Heard extends Watched {
  #heard = [];
  #taken = 0;

  take(...what) {
    this.#heard.push(what);
    this.changed();
  }

  next(name) {
    const here = () => this.#heard[this.#taken];
    const look = () => here() && this.#heard[this.#taken++];
    return this.until(look, () => `nothing was heard where ${name} was expected`).then(([found, ...args]) => {
      assert.equal(found, name);
      return args;
    });
  }
}

/** Each story is told to each Socket.IO client over each transport. */
function story(sentence, tell, transports = TRANSPORTS) {
  for (const [client, io] of Object.entries(CLIENTS)) {
    for (const [transport, options] of Object.entries(transports)) {
      test(`${sentence} (${client}, ${transport})`, { timeout: 60_000 }, async () => {
        const sockets = [];
        const connect = (url, more) => {
          const socket = io(url, { forceNew: true, ...options, ...more });
          sockets.push(socket);
          const heard = new Heard();
          for (const name of ['auth', 'message-back', 'answered', 'connect', 'disconnect']) {
            socket.on(name, (...args) => heard.take(name, ...args));
          }
          return [socket, heard];
        };
        try {
          await tell(connect, options);
        } finally {
          for (const socket of sockets) socket.disconnect();
        }
      });
    }
  }
}

story('a client connects and is seen with its auth payload, in each namespace', async (connect) => {
  for (const namespace of ['/', '/custom']) {
    const [socket, heard] = connect(echo.url + namespace, { auth: { token: 'abc' } });
    await heard.next('connect');
    assert.match(socket.id, /^[\w-]{20}$/);
    assert.deepEqual(await heard.next('auth'), [{ token: 'abc' }]);
  }
  const [nowhere] = connect(`${echo.url}/nowhere`);
  const error = await new Promise((resolve) => nowhere.on('connect_error', resolve));
  assert.equal(error.message, 'Invalid namespace');
});

const VALUES = [1, '2 ✓', { 3: [true, null], 'ä"\\': '🦀' }];
const BINARY = [Buffer.from([1, 2, 3]), { deep: [Buffer.from([4, 5]), 'text', Buffer.alloc(0)] }, 'last'];

story('events come back with their arguments, text and binary', async (connect) => {
  const [socket, heard] = connect(echo.url);
  await heard.next('connect');
  await heard.next('auth');
  for (const args of [[], VALUES, BINARY, [Buffer.alloc(100_000, 'x')]]) {
    socket.emit('message', ...args);
    assert.deepEqual(await heard.next('message-back'), args);
  }
});

story('events are acknowledged with their arguments, text and binary', async (connect) => {
  const [socket] = connect(echo.url);
  for (const args of [[], VALUES, BINARY]) {
    const acknowledged = await new Promise((resolve) =>
      socket.emit('message-with-ack', ...args, (...back) => resolve(back)),
    );
    assert.deepEqual(acknowledged, args);
  }
});

story('the server asks, and hears what the client acknowledges, text and binary', async (connect) => {
  const [socket, heard] = connect(echo.url);
  socket.on('question', (...args) => args.pop()('I heard', ...args));
  await heard.next('connect');
  await heard.next('auth');
  for (const args of [[], VALUES, BINARY]) {
    socket.emit('ask', ...args);
    assert.deepEqual(await heard.next('answered'), ['I heard', ...args]);
  }
});

story('a client whose connection was cut comes back by itself', async (connect) => {
  const proxy = await Proxy.inFrontOf(echo);
  try {
    const [socket, heard] = connect(proxy.url, { reconnectionDelay: 10, reconnectionDelayMax: 50 });
    for (let time = 0; time < 3; time += 1) {
      await heard.next('connect');
      await heard.next('auth');
      socket.emit('message', time);
      assert.deepEqual(await heard.next('message-back'), [time]);
      proxy.cut();
      await heard.next('disconnect');
      proxy.mend();
    }
  } finally {
    await proxy.close();
  }
});

story('a client that leaves hears its own reason', async (connect) => {
  const [socket, heard] = connect(echo.url);
  await heard.next('connect');
  await heard.next('auth');
  socket.disconnect();
  assert.equal((await heard.next('disconnect'))[0], 'io client disconnect');
});

/** Keeps `IN_FLIGHT` numbers on their way until all have come back, each once and in order. */
function stream(send, receive) {
  return new Promise((resolve, reject) => {
    let sent = 0;
    let expected = 0;
    receive((number) => {
      if (number !== expected) reject(new Error(`${number} came back where ${expected} was due`));
      expected += 1;
      if (expected === MANY) resolve();
      else if (sent < MANY) send(sent++);
    });
    while (sent < IN_FLIGHT) send(sent++);
  });
}

/** In front of the echo: holds each websocket back until it is released. */
async function gate() {
  let release;
  const released = new Promise((resolve) => (release = resolve));
  const open = new Set();
  const server = createServer((client) => {
    const there = connectTo(echo.port, '127.0.0.1');
    open.add(client).add(there);
    for (const [one, other] of [[client, there], [there, client]]) {
      one.setNoDelay(true).on('error', () => other.destroy()).on('close', () => other.destroy());
    }
    there.pipe(client);
    client.once('data', async (head) => {
      client.pause();
      if (/^upgrade: *websocket/im.test(head)) await released;
      there.write(head);
      client.pipe(there);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => {
    server.close();
    for (const socket of open) socket.destroy();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, release, close };
}

story(
  'an upgrade in the middle of ten thousand events loses, repeats and reorders none',
  async (connect) => {
    const { url, release, close } = await gate();
    const [socket, heard] = connect(url);
    await heard.next('connect');
    const { engine } = socket.io;
    const began = engine.transport.name;
    let back = 0;
    let upgradedAt;
    engine.on('upgrade', () => (upgradedAt = back));
    await stream(
      (number) => socket.emit('message', number),
      (take) =>
        socket.on('message-back', (number) => {
          if ((back += 1) === MANY / 4) release();
          take(number);
        }),
    );
    assert.deepEqual([began, engine.transport.name], ['polling', 'websocket']);
    assert(upgradedAt >= MANY / 4 && upgradedAt < MANY, `the upgrade came after ${upgradedAt}`);
    close();
  },
  { 'default settings': {} },
);

for (const [transport, options] of Object.entries(TRANSPORTS)) {
  test(`the Engine.IO client gets every message back as it was sent (${transport})`, { timeout: 60_000 }, async () => {
    const socket = new EngineSocket(`${echo.url}/engine.io/`, { path: '/engine.io/', ...options });
    try {
      const heard = new Heard();
      socket.on('open', () => heard.take('open')).on('message', (data) => heard.take('message', data));
      await heard.next('open');
      for (const message of ['hello ✓', '🦀'.repeat(1000), Buffer.from([1, 2, 3]), Buffer.alloc(100_000, 7)]) {
        socket.send(message);
        assert.deepEqual(await heard.next('message'), [message]);
      }
      await stream(
        (number) => socket.send(`${number}`),
        (take) => socket.off('message').on('message', (data) => take(Number(data))),
      );
      assert.equal(socket.transport.name, transport === 'polling' ? 'polling' : 'websocket');
    } finally {
      socket.close();
    }
  });
}
