// A network that can fail: a TCP proxy in front of the service. It breaks every connection at once, without a word to
// either side, or for one side alone, loses what the service says, or lets nobody in for a while; and it can lead to another
// service.

import { connect, createServer } from 'node:net';
import { Watched } from './waiting.mjs';

export class Proxy extends Watched {
  #server;
  #pairs = new Set();
  /** The service's halves of connections that their clients have lost. */
  #stranded = new Set();
  #down = false;
  /** How many connections it has not let in. */
  #refused = 0;
  #deaf = false;
  /** What lets the connections in that wait, while they do. */
  #waiting;

  static async inFrontOf(service) {
    const proxy = new Proxy();
    proxy.leadTo(service);
    proxy.#server = createServer((client) => proxy.#pass(client));
    await new Promise((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    proxy.url = `http://127.0.0.1:${proxy.#server.address().port}`;
    return proxy;
  }

  async #pass(client) {
    client.on('error', () => {});
    await this.#waiting?.over;
    if (this.#down || client.destroyed) {
      this.#refused += 1;
      this.changed();
      return reset(client);
    }
    const server = connect(this.port, '127.0.0.1');
    const pair = { client, server, isWebSocket: false, isPoll: false };
    this.#pairs.add(pair);
    client.once('data', (head) => (pair.isPoll = /^GET .*[?&]sid=/.test(head)));
    server.once('data', (head) => (pair.isWebSocket = /^HTTP\/1.1 101 /.test(head)));
    client.on('data', () => this.changed());
    for (const [here, there] of [[client, server], [server, client]]) {
      here.setNoDelay(true);
      here.pipe(there);
      here.on('error', () => {});
      here.on('close', () => {
        this.#pairs.delete(pair);
        if (!this.#stranded.has(there)) there.destroy();
      });
    }
    server.on('close', () => {
      this.#stranded.delete(server);
      this.changed();
    });
    if (this.#deaf) lose(server);
  }

  /** New connections go to this service. */
  leadTo({ port }) {
    this.port = port;
  }

  /** Breaks every connection, and lets none in until `mend`. */
  cut() {
    this.#down = true;
    for (const { client, server } of this.#pairs) for (const socket of [client, server]) reset(socket);
  }

  /** From here on nothing that the service says arrives, though it is taken from it; until `mend`, for new connections. */
  deafen() {
    this.#deaf = true;
    for (const { server } of this.#pairs) lose(server);
  }

  /** Whoever connects from here on waits until `mend`; who is connected is not touched. */
  hold() {
    this.#waiting = {};
    this.#waiting.over = new Promise((end) => (this.#waiting.end = end));
  }

  mend() {
    this.#down = false;
    this.#deaf = false;
    this.#waiting?.end();
    this.#waiting = undefined;
  }

  /** Cuts until the client has noticed and `meanwhile` is done; who the client is when it is back. The service notices, too:
   * of a client that is not there to be spoken to it would not know. */
  async outage(listener, meanwhile = () => {}) {
    if (!this.#down && !this.#deaf) await this.heard();
    // A client that is cut off in the middle of its upgrade does not notice before its heartbeat fails.
    const { engine } = listener.socket.io;
    if (engine.upgrading) await new Promise((resolve) => engine.once('upgrade', resolve));
    this.cut();
    await listener.hears('disconnect');
    await meanwhile();
    this.mend();
    return listener.hears('connect');
  }

  /** Breaks every connection for its client alone, and lets none in until `mend`. The service keeps its half, and is told
   * nothing of the end; a client that polls tries to, and is seen not to get through. */
  async strand() {
    const refused = this.#refused;
    this.#down = true;
    for (const { client, server } of this.#pairs) {
      this.#stranded.add(server);
      lose(server);
      reset(client);
    }
    await this.until(() => (this.#refused > refused ? true : undefined), () => 'nobody tries to connect');
  }

  /** Waits until somebody is connected, however shortly. */
  async used() {
    await this.until(() => (this.#pairs.size > 0 ? true : undefined), () => 'nobody connects');
  }

  /** Waits until the service can speak to somebody: by a WebSocket, or in answer to a poll. */
  async heard() {
    const hears = ({ server, isWebSocket, isPoll }) => isWebSocket || (isPoll && server.bytesRead === 0);
    await this.until(() => ([...this.#pairs].some(hears) ? true : undefined), () => 'nobody hears the service');
  }

  /** Waits until the service has let go of every connection whose client is gone. */
  async abandoned() {
    await this.until(() => (this.#stranded.size === 0 ? true : undefined), () => `${this.#stranded.size} connections are still half open`);
  }

  async close() {
    this.cut();
    this.#waiting?.end();
    for (const server of this.#stranded) server.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Reads on and keeps nothing. */
function lose(server) {
  server.unpipe();
  server.resume();
}

/** A socket that is being shut down cannot be reset as well: its handle would stay open. */
function reset(socket) {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
