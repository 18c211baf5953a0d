// An official Socket.IO client and everything it heard, in the order heard: the server's events and the client's own
// words about its connection (`connect`, `connect_error`, `disconnect`), so that a story can wait for either.

import assert from 'node:assert/strict';
import { io } from 'socket.io-client';
import { DEADLINE, Watched } from './waiting.mjs';

const OF_THE_CONNECTION = ['connect', 'connect_error', 'disconnect'];

export class Listener extends Watched {
  /** `{ event, payload, said, taken }`, oldest first: `said` is all that came with the event, the payload first. */
  log = [];

  constructor(url, options) {
    super();
    this.socket = io(url, { forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 200, ...options });
    this.socket.on('connect', () => this.#heard('connect', this.self));
    this.socket.on('connect_error', ({ message }) => this.#heard('connect_error', message));
    this.socket.on('disconnect', (reason) => this.#heard('disconnect', reason));
    this.socket.onAny((event, ...said) => this.#heard(event, ...said));
  }

  #heard(event, ...said) {
    this.log.push({ event, payload: said[0], said, taken: false });
    this.changed();
  }

  /** Who it is on its connection, and whether it was so before: what `connect` is noted with. */
  get self() {
    const { id, _pid: pid, recovered } = this.socket;
    return { id, pid, recovered: Boolean(recovered) };
  }

  /** The next `event` that no earlier call took (and that fits), now or as soon as it comes. */
  hears(event, fits = () => true) {
    const look = () => {
      const entry = this.log.find((entry) => !entry.taken && entry.event === event && fits(entry.payload));
      if (!entry) return undefined;
      entry.taken = true;
      return { payload: entry.payload };
    };
    return this.until(look, () => `no ${event}; ${this}`).then(({ payload }) => payload);
  }

  /** Waits until the event number `seq` of the vault is here. */
  async reaches(vault, seq) {
    const look = () => this.log.findLast((entry) => isOf(vault, entry))?.payload.seq >= seq || undefined;
    await this.until(look, () => `the vault's event ${seq} did not come; ${this}`, 3 * DEADLINE);
  }

  /** The vault's events that came, in the order in which they came. */
  eventsOf(vault) {
    return this.log.filter((entry) => isOf(vault, entry)).map(({ event, payload }) => ({ event, payload, seq: payload.seq }));
  }

  /** The names of all that the server sent. */
  get names() {
    return this.log.map((entry) => entry.event).filter((event) => !OF_THE_CONNECTION.includes(event));
  }

  tell(event, ...said) {
    this.socket.emit(event, ...said);
  }

  /** Emits with an acknowledgement and gives it back, whatever it says. */
  async ask(event, ...said) {
    return this.socket.timeout(DEADLINE).emitWithAck(event, ...said).catch((error) => {
      throw new Error(`no acknowledgement of ${event}: ${error.message}; ${this}`);
    });
  }

  /** Asks for what must succeed. */
  async does(event, ...said) {
    const answer = await this.ask(event, ...said);
    assert.equal(answer?.ok, true, `${event} was answered ${JSON.stringify(answer)}`);
    return answer;
  }

  /** Asks for what must be refused: the acknowledgement and the `error` event say the same. */
  async isRefused(event, said, code, message) {
    const answer = await this.ask(event, ...(said === undefined ? [] : [said]));
    assert.equal(answer?.ok, false, `${event} was answered ${JSON.stringify(answer)}`);
    assert.equal(answer.error.code, code, JSON.stringify(answer));
    if (message !== undefined) assert.equal(answer.error.message, message);
    const error = await this.hears('error', (error) => error.details?.event === event);
    assert.deepEqual([error.code, error.message], [code, answer.error.message]);
    return error;
  }

  /** Joins (with what `more` asks for) and gives back what `vault:joined` says. */
  async join(vault, more) {
    this.tell('vault:join', more ? { vaultId: vault.id, ...more } : vault.id);
    return this.hears('vault:joined', (joined) => joined.vaultId === vault.id);
  }

  close() {
    this.socket.disconnect();
  }

  toString() {
    const last = this.log.slice(-10).map(({ event, payload }) => `  ${event} ${JSON.stringify(payload)}`);
    return `heard ${this.log.length} in all, the last of them:\n${last.join('\n')}`;
  }
}

function isOf(vault, { event, payload }) {
  if (event === 'vault:joined' || payload?.seq === undefined) return false;
  return (payload.vaultId ?? payload.source?.vaultId) === vault.id;
}
