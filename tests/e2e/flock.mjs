// Thousands of clients at once, each no more than a WebSocket that speaks just enough Socket.IO: it joins one vault, notes
// what comes, and comes back by itself as the official client does. (An official one each would be most of the work.)

import { WebSocket } from 'ws';
import { range } from './plain.mjs';
import { Watched } from './waiting.mjs';

/** How long one that lost its connection waits until it tries again, in milliseconds: at first, and at most. */
const SOON = 100;
const LATE = 1_000;

/** After how many milliseconds it gives up a connection that does not come about, as the official client does. */
const GIVES_UP = 20_000;

export class Flock extends Watched {
  birds = [];
  /** When each of them lost a connection on which it was in its room. */
  losses = [];
  /** Called with the number of each event that one of them hears in its place. */
  onEvent = () => {};

  /** So many for each of these vaults, in the name of `person`. */
  constructor(url, person, vaults, many) {
    super();
    Object.assign(this, { url, token: person.token() });
    this.grow(vaults, many);
  }

  /** One of them, or of others who are counted with them, has lost its connection. */
  lost() {
    this.losses.push(performance.now());
    this.changed();
  }

  /** As many more for each of these. */
  grow(vaults, many) {
    for (const vault of vaults) this.birds.push(...range(1, many).map(() => new Bird(this, this.url, this.token, vault)));
  }

  /** Waits until each of them has had so many connections in all, and is in its room. */
  async isBack(lives, deadline = 60_000) {
    const missing = () => this.birds.filter((bird) => !bird.isIn || bird.lives < lives).length;
    await this.until(() => (missing() === 0 ? true : undefined), () => `${missing()} are not back`, deadline);
  }

  /** Waits until each of them has heard all of these journals, from where it began. */
  async hasHeard(journals) {
    const missing = () => this.birds.filter((bird) => bird.heard < journals.get(bird.vault).length).length;
    await this.until(() => (missing() === 0 ? true : undefined), () => `${missing()} have not heard everything`, 60_000);
  }

  /** What any of them heard that does not go on from what it heard before, or is nothing that the service may say. */
  get oddities() {
    return this.birds.flatMap((bird) => bird.oddities);
  }

  /** How many of them were recovered on the connections that they have now. */
  get recovered() {
    return this.birds.filter((bird) => bird.recovered).length;
  }

  close() {
    for (const bird of this.birds) bird.close();
  }
}

class Bird {
  /** The number of the last event heard. */
  heard;
  lives = 0;
  recovered = false;
  isIn = false;
  oddities = [];
  #flock;
  #socket;
  #pid;
  #offset;
  #wait = SOON;
  #timer;
  #closed = false;

  constructor(flock, url, token, vault) {
    this.#flock = flock;
    Object.assign(this, { url: `${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`, token, vault });
    this.#open();
  }

  #open() {
    this.#socket = new WebSocket(this.url, { perMessageDeflate: false, handshakeTimeout: GIVES_UP });
    this.#socket.on('message', (data) => this.#hears(String(data)));
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => this.#lost());
  }

  #lost() {
    if (this.isIn) this.#flock.lost();
    this.isIn = false;
    if (this.#closed) return;
    // Not all at the same moment, and ever less often.
    this.#timer = setTimeout(() => this.#open(), this.#wait * (0.5 + Math.random()));
    this.#wait = Math.min(2 * this.#wait, LATE);
  }

  /** A packet: of Engine.IO its first character, of Socket.IO the second. */
  #hears(packet) {
    const json = () => JSON.parse(packet.slice(packet.search(/[{[]/)));
    if (packet[0] === '0') {
      this.#socket.send(`40${JSON.stringify({ token: this.token, pid: this.#pid, offset: this.#offset })}`);
    } else if (packet === '2') {
      this.#socket.send('3');
    } else if (packet.startsWith('40')) {
      this.#connected(json());
    } else if (packet.startsWith('42')) {
      this.#told(...json());
    } else {
      this.#isOdd(packet);
    }
    this.#flock.changed();
  }

  #connected({ pid }) {
    this.lives += 1;
    this.#wait = SOON;
    this.recovered = pid !== undefined && this.#pid === pid;
    this.isIn = this.recovered;
    this.#pid = pid;
    if (!this.recovered) this.#socket.send(`42${JSON.stringify(['vault:join', { vaultId: this.vault.id, since: this.heard }])}`);
  }

  #told(event, { seq, resync }, offset) {
    this.#offset = offset;
    if (event === 'vault:joined') {
      this.isIn = true;
      this.heard ??= seq;
      if (resync) this.#isOdd(`resync at ${seq}`);
    } else if (seq === this.heard + 1) {
      this.heard = seq;
      this.#flock.onEvent(seq);
    } else {
      this.#isOdd(`${event} ${seq}`);
    }
  }

  #isOdd(what) {
    this.oddities.push(`${what} after ${this.heard} of ${this.vault.id}`);
  }

  /** Stops reading; the rest of it lives on. */
  stall() {
    this.#socket._socket.pause();
  }

  /** Reads again. */
  goOn() {
    this.#socket._socket?.resume();
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket.terminate();
  }
}
