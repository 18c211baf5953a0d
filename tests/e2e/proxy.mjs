// A network that can fail: a TCP proxy in front of the service. It breaks every connection at once, without a word to
// either side, or for one side alone, or loses what the service says; and it can lead to another service.

import { connect, createServer } from 'node:net';
import { Watched } from './waiting.mjs';

export class Proxy extends Watched {
  #server;
  #pairs = new Set();
  /** The service's halves of connections that their clients have lost. */
  #stranded = new Set();
  #down = false;
  #deaf = false;

  static async inFrontOf(service) {
    const proxy = new Proxy();
    proxy.leadTo(service);
    proxy.#server = createServer((client) => proxy.#pass(client));
    await new Promise((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    proxy.url = `http://127.0.0.1:${proxy.#server.address().port}`;
    return proxy;
  }

  #pass(client) {
    if (this.#down) return reset(client);
    const server = connect(this.port, '127.0.0.1');
    const pair = { client, server };
    this.#pairs.add(pair);
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

  mend() {
    this.#down = false;
    this.#deaf = false;
  }

  /** Cuts until the client has noticed and `meanwhile` is done; who the client is when it is back. */
  async outage(listener, meanwhile = () => {}) {
    this.cut();
    await listener.hears('disconnect');
    await meanwhile();
    this.mend();
    return listener.hears('connect');
  }

  /** Breaks every connection for its client alone. The service keeps its half, and is told nothing of the end. */
  strand() {
    for (const { client, server } of this.#pairs) {
      this.#stranded.add(server);
      lose(server);
      reset(client);
    }
  }

  /** Waits until the service has let go of every connection whose client is gone. */
  async abandoned() {
    await this.until(() => (this.#stranded.size === 0 ? true : undefined), () => `${this.#stranded.size} connections are still half open`);
  }

  async close() {
    this.cut();
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
