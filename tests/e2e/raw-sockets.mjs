// Thousands of clients at once, each a plain WebSocket that implements the necessary part of Socket.IO. A raw socket joins one
// vault, checks the sequence of its events, and reconnects like the official client, at a fraction of its cost.

import { WebSocket } from 'ws';
import { checkEvent } from './contract.mjs';
import { range } from './fixtures.mjs';
import { Observable } from './observable.mjs';

/** The first and the longest delay before a reconnect, in milliseconds, as the official client has them. */
const MIN_RECONNECT_DELAY = 1_000;
const MAX_RECONNECT_DELAY = 5_000;

/** The timeout of a connection attempt among thousands of others on a busy machine, in milliseconds. */
const HANDSHAKE_TIMEOUT = 60_000;

export class RawSocketPool extends Observable {
  sockets = [];
  /** The time of each loss of a connection that had joined its vault. */
  disconnectTimes = [];
  /** Called with the number of each event that a socket received in sequence. */
  onEvent = (_seq) => {};

  /** Opens `count` sockets for each of these vaults, authenticated as `user`. */
  constructor(url, user, vaults, count) {
    super();
    Object.assign(this, { url, user });
    this.add(vaults, count);
  }

  /** Records a lost connection, of a raw socket or of another client that the test counts along. */
  recordDisconnect() {
    this.disconnectTimes.push(performance.now());
    this.notify();
  }

  /** Opens `count` more sockets for each of these vaults. */
  add(vaults, count) {
    for (const vault of vaults) this.sockets.push(...range(1, count).map(() => new RawSocket(this, this.url, this.user, vault)));
  }

  /** Waits until each socket has joined its vault and has connected at least `connectionCount` times. */
  async waitForConnections(connectionCount, timeout = 300_000) {
    const missing = () => this.sockets.filter((socket) => !socket.isJoined || socket.connectionCount < connectionCount).length;
    await this.waitFor(() => (missing() === 0 ? true : undefined), () => `${missing()} sockets have not connected and joined`, timeout);
  }

  /** Waits until each socket has received the journal of its vault to the end. */
  async waitForJournals(journals) {
    const missing = () => this.sockets.filter((socket) => socket.lastSeq < journals.get(socket.vault).length).length;
    await this.waitFor(() => (missing() === 0 ? true : undefined), () => `${missing()} sockets have not received all events`, 120_000);
  }

  /** The events out of sequence and the unexpected packets of all sockets. */
  get violations() {
    return this.sockets.flatMap((socket) => socket.violations);
  }

  /** The number of sockets whose present connection was recovered. */
  get recovered() {
    return this.sockets.filter((socket) => socket.recovered).length;
  }

  close() {
    for (const socket of this.sockets) socket.close();
  }
}

class RawSocket {
  /** The number of the last event received. */
  lastSeq;
  connectionCount = 0;
  recovered = false;
  isJoined = false;
  violations = [];
  #pool;
  #socket;
  #pid;
  #offset;
  #reconnectDelay = MIN_RECONNECT_DELAY;
  #timer;
  #closed = false;

  constructor(pool, url, user, vault) {
    this.#pool = pool;
    Object.assign(this, { url: `${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`, user, vault });
    this.#open();
  }

  #open() {
    this.#socket = new WebSocket(this.url, { perMessageDeflate: false, handshakeTimeout: HANDSHAKE_TIMEOUT });
    this.#socket.on('message', (data) => this.#handlePacket(String(data)));
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => this.#handleClose());
  }

  #handleClose() {
    if (this.isJoined) this.#pool.recordDisconnect();
    this.isJoined = false;
    if (this.#closed) return;
    // Exponential backoff with jitter.
    this.#timer = setTimeout(() => this.#open(), this.#reconnectDelay * (0.5 + Math.random()));
    this.#reconnectDelay = Math.min(2 * this.#reconnectDelay, MAX_RECONNECT_DELAY);
  }

  /** The first character is the Engine.IO packet type, the second the Socket.IO packet type. */
  #handlePacket(packet) {
    const json = () => JSON.parse(packet.slice(packet.search(/[{[]/)));
    if (packet[0] === '0') {
      // A token of its own for each connection: a pool may live longer than a token.
      this.#socket.send(`40${JSON.stringify({ token: this.user.token(), pid: this.#pid, offset: this.#offset })}`);
    } else if (packet === '2') {
      this.#socket.send('3');
    } else if (packet.startsWith('40')) {
      this.#handleConnect(json());
    } else if (packet.startsWith('42')) {
      const args = json();
      checkEvent(args);
      this.#handleEvent(...args);
    } else {
      this.#recordViolation(packet);
    }
    this.#pool.notify();
  }

  #handleConnect({ pid }) {
    this.connectionCount += 1;
    this.#reconnectDelay = MIN_RECONNECT_DELAY;
    this.recovered = pid !== undefined && this.#pid === pid;
    this.isJoined = this.recovered;
    this.#pid = pid;
    if (!this.recovered) this.#join();
  }

  #join() {
    this.#socket.send(`42${JSON.stringify(['vault:join', { vaultId: this.vault.id, since: this.lastSeq }])}`);
  }

  #handleEvent(event, { seq, resync, code }, offset) {
    // A busy vault refuses joins that have waited too long.
    if (event === 'error' && code === 'VAULT_BUSY') return this.#join();
    this.#offset = offset;
    if (event === 'vault:joined') {
      this.isJoined = true;
      this.lastSeq ??= seq;
      if (resync) this.#recordViolation(`resync at ${seq}`);
    } else if (seq === this.lastSeq + 1) {
      this.lastSeq = seq;
      this.#pool.onEvent(seq);
    } else {
      this.#recordViolation(`${event} ${seq}`);
    }
  }

  #recordViolation(packet) {
    this.violations.push(`${packet} after ${this.lastSeq} of ${this.vault.id}`);
  }

  /** The port of this end of the present connection. */
  get localPort() {
    return this.#socket._socket.localPort;
  }

  /** Stops reading from the connection, which stays open. */
  stopReading() {
    this.#socket._socket?.pause();
  }

  resumeReading() {
    this.#socket._socket?.resume();
  }

  /** Resets the connection. The socket connects again. */
  cut() {
    this.#socket._socket?.resetAndDestroy();
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket.terminate();
  }
}
