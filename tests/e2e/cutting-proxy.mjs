// A TCP proxy in front of a service that simulates network failures. It can reset all connections, reset only the client side
// of them, discard what one side sends, hold new connections, and forward new connections to another service. Its `wire` records
// what both sides sent.

import { connect, createServer } from 'node:net';
import { Observable } from './observable.mjs';
import { WireLog } from './wire-log.mjs';

export class CuttingProxy extends Observable {
  /** What passed through this proxy. */
  wire = new WireLog();
  #server;
  #pairs = new Set();
  /** The service's sides of half-open connections. */
  #halfOpen = new Set();
  #isCut = false;
  /** The number of connections that were refused while the proxy was cut. */
  #refused = 0;
  #discardsServerData = false;
  /** Resolves when held connections may proceed; undefined while connections are not held. */
  #held;
  #releaseHeld;

  static async start(target) {
    const proxy = new CuttingProxy();
    proxy.setTarget(target);
    proxy.#server = createServer((client) => proxy.#accept(client));
    await new Promise((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    proxy.url = `http://127.0.0.1:${proxy.#server.address().port}`;
    return proxy;
  }

  async #accept(client) {
    client.on('error', () => {});
    await this.#held;
    if (this.#isCut || client.destroyed) {
      this.#refused += 1;
      this.notify();
      return reset(client);
    }
    const server = connect(this.port, '127.0.0.1');
    const pair = { client, server, isWebSocket: false, isPoll: false, isDiscarding: false };
    this.#pairs.add(pair);
    client.once('data', (head) => (pair.isPoll = /^GET .*[?&]sid=/.test(head)));
    server.once('data', (head) => (pair.isWebSocket = /^HTTP\/1.1 101 /.test(head)));
    const tap = this.wire.tap();
    client.on('data', (chunk) => {
      tap.readClient(chunk);
      this.notify();
    });
    server.on('data', (chunk) => {
      tap.readServer(chunk);
      this.notify();
    });
    for (const [from, to] of [[client, server], [server, client]]) {
      from.setNoDelay(true);
      from.pipe(to);
      from.on('error', () => {});
      from.on('close', () => {
        // A client that receives nothing does not notice either that the service has closed its side.
        if (from === server && pair.isDiscarding) return;
        this.#pairs.delete(pair);
        if (!this.#halfOpen.has(to)) to.destroy();
      });
    }
    server.on('close', () => {
      this.#halfOpen.delete(server);
      this.notify();
    });
    if (this.#discardsServerData) discardFrom(pair);
  }

  /** Forwards new connections to this service. */
  setTarget({ port }) {
    this.port = port;
  }

  /** Resets all connections and refuses new ones until `restore`. */
  cut() {
    this.#isCut = true;
    for (const { client, server } of this.#pairs) for (const socket of [client, server]) reset(socket);
  }

  /** Reads and discards everything that the service sends on present connections, and on new ones until `restore`. */
  discardServerData() {
    this.#discardsServerData = true;
    for (const pair of this.#pairs) discardFrom(pair);
  }

  /** Holds new connections until `restore`. Present connections are not affected. */
  holdConnections() {
    this.#held = new Promise((resolve) => (this.#releaseHeld = resolve));
  }

  /** Reads and discards everything that clients send on present connections. New connections are not affected. */
  discardClientData() {
    for (const { client, server } of this.#pairs) client.unpipe(server);
  }

  /** Accepts and forwards new connections again. */
  restore() {
    this.#isCut = false;
    this.#discardsServerData = false;
    this.#releaseHeld?.();
    this.#held = undefined;
  }

  /** Cuts until the client has noticed and `action` is done, and resolves with the client's identity after its reconnect. The
   * service notices as well, because the cut waits until the service has a connection to send on. */
  async interrupt(client, action = () => {}) {
    if (!this.#isCut && !this.#discardsServerData) {
      await client.waitForUpgrade();
      await this.waitForReceiver();
    }
    this.cut();
    await client.nextEvent('disconnect');
    await action();
    this.restore();
    return client.nextEvent('connect');
  }

  /** Resets only the client side of all connections and refuses new ones until `restore`. The service keeps its side open and is
   * not notified. Resolves when a client has tried to connect, which a polling client does at once. */
  async makeHalfOpen() {
    const refused = this.#refused;
    this.#isCut = true;
    for (const { client, server } of this.#pairs) {
      this.#halfOpen.add(server);
      discard(server);
      reset(client);
    }
    await this.waitFor(() => (this.#refused > refused ? true : undefined), () => 'no client tried to connect');
  }

  /** Waits until a client is connected, even for a moment. */
  async waitForConnection() {
    await this.waitFor(() => (this.#pairs.size > 0 ? true : undefined), () => 'no client connected');
  }

  /** Waits until a client has completed an upgrade. Cut in the middle of one, it may notice that only when its heartbeat fails. */
  async waitForUpgrade() {
    await this.waitFor(() => (this.wire.upgrades > 0 ? true : undefined), () => 'no client has upgraded');
  }

  /** Waits until the service can send to a client: on a WebSocket, or in the answer to a pending poll. */
  async waitForReceiver() {
    const canReceive = ({ server, isWebSocket, isPoll }) => isWebSocket || (isPoll && server.bytesRead === 0);
    await this.waitFor(() => ([...this.#pairs].some(canReceive) ? true : undefined), () => 'no client can receive data');
  }

  /** Waits until the service has answered a join, although a client may not have received the answer. */
  async waitForJoined() {
    await this.waitFor(() => (this.wire.joined > 0 ? true : undefined), () => 'the service answered no join');
  }

  /** Waits until the service has closed its side of every half-open connection. */
  async waitForHalfOpenClosed() {
    await this.waitFor(() => (this.#halfOpen.size === 0 ? true : undefined), () => `${this.#halfOpen.size} connections are still half-open`);
  }

  async close() {
    this.cut();
    this.#releaseHeld?.();
    for (const server of this.#halfOpen) server.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function discardFrom(pair) {
  pair.isDiscarding = true;
  discard(pair.server);
}

function discard(server) {
  server.unpipe();
  server.resume();
}

/** Resetting a socket that is being shut down would leave its handle open, so such a socket is destroyed. */
function reset(socket) {
  if (socket.destroyed) return;
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
