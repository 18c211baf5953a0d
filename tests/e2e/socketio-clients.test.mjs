// The Socket.IO server without the service, tested with the oldest and the newest supported client of Socket.IO 4 and 2 on each transport,
// and with the Engine.IO client that those of version 4 are based on.
// Independent of the database: runs once, on SQLite.

import assert from 'node:assert/strict';
import { connect as connectTo, createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { Socket as EngineSocket } from 'engine.io-client';
import { io as newest } from 'socket.io-client';
import oldestOf2 from 'socket.io-client-2.1';
import newestOf2 from 'socket.io-client-2.5';
import { io as oldest } from 'socket.io-client-4.0';
import { EchoServer } from './echo-server.mjs';
import { CuttingProxy } from './cutting-proxy.mjs';
import { Observable } from './observable.mjs';

/** Clients of Socket.IO 2 send no auth payload, show the id of their Engine.IO session, and a refused connection is their `error`. */
const VERSION_4 = { auth: { token: 'abc' }, socketId: /^[\w-]{20}$/, refusal: 'connect_error' };
const VERSION_2 = { auth: {}, socketId: /^(\/custom#)?[\w-]{16}$/, refusal: 'error' };
const CLIENTS = {
  'socket.io-client 2.1': { io: oldestOf2, ...VERSION_2 },
  'socket.io-client 2.5': { io: newestOf2, ...VERSION_2 },
  'socket.io-client 4.0': { io: oldest, ...VERSION_4 },
  'socket.io-client 4.8': { io: newest, ...VERSION_4 },
};
const TRANSPORTS = {
  'default settings': {},
  polling: { transports: ['polling'] },
  websocket: { transports: ['websocket'] },
};

/** More messages than a client sends in one packet, and far fewer than the outbox of a socket holds. */
const IN_FLIGHT = 256;
const MESSAGES = 10_000;

let echo;
before(async () => {
  echo = await EchoServer.start('--connect-timeout', '10s', '--allow-eio3');
});
after(() => echo?.stop());

/** The events that a client received, in order, with a wait for the next one. */
class EventLog extends Observable {
  #events = [];
  #consumed = 0;

  add(...event) {
    this.#events.push(event);
    this.notify();
  }

  next(name) {
    const next = () => this.#events[this.#consumed];
    const check = () => next() && this.#events[this.#consumed++];
    return this.waitFor(check, () => `received nothing instead of ${name}`).then(([event, ...args]) => {
      assert.equal(event, name);
      return args;
    });
  }
}

/** Runs a test with each Socket.IO client over each transport. */
function testEachClient(title, run, transports = TRANSPORTS) {
  for (const [client, { io, ...version }] of Object.entries(CLIENTS)) {
    for (const [transport, options] of Object.entries(transports)) {
      test(`${title} (${client}, ${transport})`, { timeout: 180_000 }, async () => {
        const sockets = [];
        const connect = (url, more) => {
          const socket = io(url, { forceNew: true, ...options, ...more });
          sockets.push(socket);
          const events = new EventLog();
          for (const name of ['auth', 'message-back', 'answered', 'connect', 'disconnect']) {
            socket.on(name, (...args) => events.add(name, ...args));
          }
          return [socket, events];
        };
        try {
          await run(connect, version);
        } finally {
          for (const socket of sockets) socket.disconnect();
        }
      });
    }
  }
}

testEachClient('a client connects to each namespace with its auth payload', async (connect, { auth, socketId, refusal }) => {
  for (const namespace of ['/', '/custom']) {
    const [socket, events] = connect(echo.url + namespace, { auth: { token: 'abc' } });
    await events.next('connect');
    assert.match(socket.id, socketId);
    assert.deepEqual(await events.next('auth'), [auth]);
  }
  const [unknown] = connect(`${echo.url}/unknown`);
  const error = await new Promise((resolve) => unknown.on(refusal, resolve));
  assert.equal(error.message ?? error, 'Invalid namespace');
});

const VALUES = [1, '2 ✓', { 3: [true, null], 'ä"\\': '🦀' }];
const BINARY = [Buffer.from([1, 2, 3]), { deep: [Buffer.from([4, 5]), 'text', Buffer.alloc(0)] }, 'last'];

testEachClient('events are echoed with their arguments, text and binary', async (connect) => {
  const [socket, events] = connect(echo.url);
  await events.next('connect');
  await events.next('auth');
  for (const args of [[], VALUES, BINARY, [Buffer.alloc(100_000, 'x')]]) {
    socket.emit('message', ...args);
    assert.deepEqual(await events.next('message-back'), args);
  }
});

testEachClient('events are acknowledged with their arguments, text and binary', async (connect) => {
  const [socket] = connect(echo.url);
  for (const args of [[], VALUES, BINARY]) {
    const acknowledged = await new Promise((resolve) =>
      socket.emit('message-with-ack', ...args, (...args) => resolve(args)),
    );
    assert.deepEqual(acknowledged, args);
  }
});

testEachClient('the server emits with an acknowledgement and receives it, text and binary', async (connect) => {
  const [socket, events] = connect(echo.url);
  socket.on('question', (...args) => args.pop()('received', ...args));
  await events.next('connect');
  await events.next('auth');
  for (const args of [[], VALUES, BINARY]) {
    socket.emit('ask', ...args);
    assert.deepEqual(await events.next('answered'), ['received', ...args]);
  }
});

testEachClient('a client that forces base64 sends and receives binary', async (connect) => {
  const [socket, events] = connect(echo.url, { forceBase64: true });
  socket.on('question', (...args) => args.pop()('received', ...args));
  await events.next('connect');
  await events.next('auth');
  for (const [event, answer, expected] of [['message', 'message-back', BINARY], ['ask', 'answered', ['received', ...BINARY]]]) {
    socket.emit(event, ...BINARY);
    assert.deepEqual(await events.next(answer), expected);
  }
  const acknowledged = await new Promise((resolve) => socket.emit('message-with-ack', ...BINARY, (...args) => resolve(args)));
  assert.deepEqual(acknowledged, BINARY);
});

testEachClient('a client reconnects by itself after a cut', async (connect) => {
  const proxy = await CuttingProxy.start(echo);
  try {
    const [socket, events] = connect(proxy.url, { reconnectionDelay: 10, reconnectionDelayMax: 50 });
    for (let time = 0; time < 3; time += 1) {
      await events.next('connect');
      await events.next('auth');
      socket.emit('message', time);
      assert.deepEqual(await events.next('message-back'), [time]);
      proxy.cut();
      await events.next('disconnect');
      proxy.restore();
    }
  } finally {
    await proxy.close();
  }
});

testEachClient('a client that disconnects receives its own reason', async (connect) => {
  const [socket, events] = connect(echo.url);
  await events.next('connect');
  await events.next('auth');
  socket.disconnect();
  assert.equal((await events.next('disconnect'))[0], 'io client disconnect');
});

/** Sends numbers, `IN_FLIGHT` of them at a time, until all have been echoed once and in order. */
function stream(send, receive) {
  return new Promise((resolve, reject) => {
    let sent = 0;
    let expected = 0;
    receive((number) => {
      if (number !== expected) reject(new Error(`${number} was echoed instead of ${expected}`));
      expected += 1;
      if (expected === MESSAGES) resolve();
      else if (sent < MESSAGES) send(sent++);
    });
    while (sent < IN_FLIGHT) send(sent++);
  });
}

/** Starts a proxy in front of the echo server that holds each WebSocket handshake until `release`. */
async function startUpgradeGate() {
  let release;
  const released = new Promise((resolve) => (release = resolve));
  const open = new Set();
  const server = createServer((client) => {
    const target = connectTo(echo.port, '127.0.0.1');
    open.add(client).add(target);
    for (const [from, to] of [[client, target], [target, client]]) {
      from.setNoDelay(true).on('error', () => to.destroy()).on('close', () => to.destroy());
    }
    target.pipe(client);
    client.once('data', async (head) => {
      client.pause();
      if (/^upgrade: *websocket/im.test(head)) await released;
      target.write(head);
      client.pipe(target);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => {
    server.close();
    for (const socket of open) socket.destroy();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, release, close };
}

testEachClient(
  'an upgrade during ten thousand events loses, duplicates and reorders none',
  async (connect) => {
    const { url, release, close } = await startUpgradeGate();
    const [socket, events] = connect(url);
    await events.next('connect');
    const { engine } = socket.io;
    const initialTransport = engine.transport.name;
    let echoed = 0;
    let upgradedAt;
    engine.on('upgrade', () => (upgradedAt = echoed));
    await stream(
      (number) => socket.emit('message', number),
      (receive) =>
        socket.on('message-back', (number) => {
          if ((echoed += 1) === MESSAGES / 4) release();
          receive(number);
        }),
    );
    assert.deepEqual([initialTransport, engine.transport.name], ['polling', 'websocket']);
    assert(upgradedAt >= MESSAGES / 4 && upgradedAt < MESSAGES, `the upgrade completed after ${upgradedAt} events`);
    close();
  },
  { 'default settings': {} },
);

for (const [transport, options] of Object.entries(TRANSPORTS)) {
  test(`the Engine.IO client receives every message as it was sent (${transport})`, { timeout: 180_000 }, async () => {
    const socket = new EngineSocket(`${echo.url}/engine.io/`, { path: '/engine.io/', ...options });
    try {
      const events = new EventLog();
      socket.on('open', () => events.add('open')).on('message', (data) => events.add('message', data));
      await events.next('open');
      for (const message of ['hello ✓', '🦀'.repeat(1000), Buffer.from([1, 2, 3]), Buffer.alloc(100_000, 7)]) {
        socket.send(message);
        assert.deepEqual(await events.next('message'), [message]);
      }
      await stream(
        (number) => socket.send(`${number}`),
        (receive) => socket.off('message').on('message', (data) => receive(Number(data))),
      );
      assert.equal(socket.transport.name, transport === 'polling' ? 'polling' : 'websocket');
    } finally {
      socket.close();
    }
  });
}
