// A Socket.IO client that records everything it receives, in order: the server's events and the client's own connection events. A test
// can wait for either. Its subclasses are the official clients of each version, which record with `record`.

import assert from 'node:assert/strict';
import { checkAcknowledgement } from './contract.mjs';
import { DEFAULT_TIMEOUT, Observable } from './observable.mjs';

/** The events that a client emits itself. `error` is not among them, because it is also an event of the server. */
export const CONNECTION_EVENTS = ['connect', 'connect_error', 'disconnect', 'reconnect_attempt', 'reconnect'];

export class RecordingClient extends Observable {
  /** `{ event, payload, args, consumed }`, oldest first. `args` are all arguments of the event; the payload is the first. */
  log = [];

  /** Records an event with its arguments. */
  record(event, ...args) {
    this.log.push({ event, payload: args[0], args, consumed: false });
    this.notify();
  }

  /** Resolves with the payload of the next matching `event` that no earlier call consumed. */
  nextEvent(event, matches = (_payload) => true) {
    const check = () => {
      const entry = this.log.find((entry) => !entry.consumed && entry.event === event && matches(entry.payload));
      if (!entry) return undefined;
      entry.consumed = true;
      return { payload: entry.payload };
    };
    return this.waitFor(check, () => `no ${event}; ${this}`).then(({ payload }) => payload);
  }

  /** Resolves with the next `error` of the service. In Socket.IO 2 a lost connection is an `error`, too, without a code. */
  nextRefusal() {
    return this.nextEvent('error', ({ code }) => code !== undefined);
  }

  /** Waits until the client has received event `seq` of the vault. */
  async waitForSeq(vault, seq) {
    const check = () => this.log.findLast((entry) => belongsTo(vault, entry))?.payload.seq >= seq || undefined;
    await this.waitFor(check, () => `event ${seq} of the vault was not received; ${this}`, 3 * DEFAULT_TIMEOUT);
  }

  /** Returns the events of the vault in the order received. */
  eventsOf(vault) {
    return this.log.filter((entry) => belongsTo(vault, entry)).map(({ event, payload }) => ({ event, payload, seq: payload.seq }));
  }

  /** The names of all events that the server sent. */
  get eventNames() {
    return this.log.map((entry) => entry.event).filter((event) => !CONNECTION_EVENTS.includes(event));
  }

  /** The reasons of all ends of a connection. */
  get disconnects() {
    return this.log.filter(({ event }) => event === 'disconnect').map(({ payload }) => payload);
  }

  emit(event, ...args) {
    this.socket.emit(event, ...args);
  }

  /** Emits the event and resolves with its acknowledgement, as it was received. */
  requestAck(event, ...args) {
    return this.socket.timeout(DEFAULT_TIMEOUT).emitWithAck(event, ...args);
  }

  /** Emits the event and resolves with its acknowledgement, success or error. */
  async emitWithAck(event, ...args) {
    const ack = await this.requestAck(event, ...args).catch((error) => {
      throw new Error(`no acknowledgement of ${event}: ${error.message}; ${this}`);
    });
    checkAcknowledgement(event, ack);
    return ack;
  }

  /** Emits the event and asserts that it is acknowledged with success. */
  async emitOk(event, ...args) {
    const ack = await this.emitWithAck(event, ...args);
    assert.equal(ack?.ok, true, `${event} was answered ${JSON.stringify(ack)}`);
    return ack;
  }

  /** Emits the event and asserts that it is refused: the acknowledgement and the `error` event carry the same error. */
  async expectError(event, payload, code, message) {
    const ack = await this.emitWithAck(event, ...(payload === undefined ? [] : [payload]));
    assert.equal(ack?.ok, false, `${event} was answered ${JSON.stringify(ack)}`);
    assert.equal(ack.error.code, code, JSON.stringify(ack));
    if (message !== undefined) assert.equal(ack.error.message, message);
    const error = await this.nextEvent('error', (error) => error.details?.event === event);
    assert.deepEqual([error.code, error.message], [code, ack.error.message]);
    return error;
  }

  /** Joins the vault, with `since` and `epoch` in `options`, and resolves with the payload of `vault:joined`. */
  async join(vault, options) {
    this.emit('vault:join', options ? { vaultId: vault.id, ...options } : vault.id);
    return this.nextEvent('vault:joined', (joined) => joined.vaultId === vault.id);
  }

  /** Waits until the client uses its last transport. If its connection breaks in the middle of an upgrade, the official client may
   * notice that only when its heartbeat fails. */
  async waitForUpgrade() {
    const { engine } = this.socket.io;
    const isUpgraded = () => engine.transport.name === 'websocket' || !engine.transports.includes('websocket');
    engine.once('upgrade', () => this.notify());
    await this.waitFor(() => isUpgraded() || undefined, () => `not upgraded; ${this}`);
  }

  close() {
    this.socket.disconnect();
  }

  toString() {
    const last = this.log.slice(-10).map(({ event, payload }) => `  ${event} ${JSON.stringify(payload)}`);
    return `${this.log.length} events received, the last ones:\n${last.join('\n')}`;
  }
}

function belongsTo(vault, { event, payload }) {
  if (event === 'vault:joined' || payload?.seq === undefined) return false;
  return (payload.vaultId ?? payload.source?.vaultId) === vault.id;
}
