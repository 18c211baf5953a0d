// A network that can fail: a TCP proxy in front of the service. `cut` breaks every connection at once, without a word
// to either side, and refuses new ones until `mend`.

import { connect, createServer } from 'node:net';

export class Proxy {
  #server;
  #pairs = new Set();
  #down = false;

  static async inFrontOf(service) {
    const proxy = new Proxy();
    proxy.#server = createServer((client) => proxy.#pass(client, service.port));
    await new Promise((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    proxy.url = `http://127.0.0.1:${proxy.#server.address().port}`;
    return proxy;
  }

  #pass(client, port) {
    if (this.#down) return reset(client);
    const server = connect(port, '127.0.0.1');
    const pair = [client, server];
    this.#pairs.add(pair);
    for (const [here, there] of [pair, [server, client]]) {
      here.setNoDelay(true);
      here.pipe(there);
      here.on('error', () => there.destroy());
      here.on('close', () => {
        there.destroy();
        this.#pairs.delete(pair);
      });
    }
  }

  cut() {
    this.#down = true;
    for (const pair of this.#pairs) for (const socket of pair) reset(socket);
  }

  mend() {
    this.#down = false;
  }

  async close() {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A socket that is being shut down cannot be reset as well: its handle would stay open. */
function reset(socket) {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
