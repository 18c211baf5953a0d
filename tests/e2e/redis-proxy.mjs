// A TCP proxy in front of a Redis that carries the bus between nodes. It delivers each message late, or twice.

import { connect, createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

export class RedisProxy {
  /** How late messages are, in milliseconds. */
  delay = 0;
  /** How often each message is delivered. */
  copies = 1;
  #server;
  #sockets = new Set();

  static async start(redis) {
    const proxy = new RedisProxy();
    proxy.#server = createServer((node) => proxy.#forward(node, connect(redis.port, '127.0.0.1')));
    await new Promise((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    proxy.url = `redis://127.0.0.1:${proxy.#server.address().port}`;
    return proxy;
  }

  #forward(node, redis) {
    for (const [socket, other] of [[node, redis], [redis, node]]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true).on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    node.pipe(redis);
    let received = Buffer.alloc(0);
    redis.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      for (let length; (length = replyLength(received, 0)) !== undefined; received = received.subarray(length)) {
        this.#deliver(node, received.subarray(0, length));
      }
    });
  }

  async #deliver(node, reply) {
    const isMessage = /^[*>]3\r\n\$7\r\nmessage\r\n/.test(reply.toString('latin1'));
    // Timers of one duration end in the order of their start, so messages stay in order.
    if (isMessage && this.delay > 0) await pause(this.delay);
    for (let copy = 0; copy < (isMessage ? this.copies : 1); copy++) node.write(reply);
  }

  async close() {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Returns the end of the reply of Redis that begins at `start`, or undefined if it is not complete. */
function replyLength(data, start) {
  const lineEnd = data.indexOf('\r\n', start);
  if (lineEnd < 0) return undefined;
  const type = String.fromCharCode(data[start]);
  const number = Number(data.toString('latin1', start + 1, lineEnd));
  let end = lineEnd + 2;
  if (type === '$' && number >= 0) {
    end += number + 2;
    return end <= data.length ? end : undefined;
  }
  const parts = { '*': number, '>': number, '%': 2 * number }[type] ?? 0;
  for (let part = 0; part < parts && end !== undefined; part++) end = replyLength(data, end);
  return end;
}
