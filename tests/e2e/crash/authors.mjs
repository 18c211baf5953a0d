// Who writes while the service is killed: by both doors, with a key and without, on a condition and without, and each with
// a memory of what it was told. Who has a way to ask again without doing twice asks until there is an answer; who has none
// leaves open what became of it.

import { setTimeout as pause } from 'node:timers/promises';
import { PAPER, range } from '../plain.mjs';
import { DEADLINE, Watched } from '../waiting.mjs';
import { REFUSED } from '../writers.mjs';
import { markOf } from './judge.mjs';

/** What anybody may be told at any time, and may ask again. */
const LATER = ['UNAVAILABLE', 'VAULT_BUSY', 'AUTHENTICATION_FAILED'];

/** A rest between two mutations of one author, in milliseconds, at most. */
const PACE = 30;

/** How many sources an author keeps. */
const KEPT = 12;

export class Authors extends Watched {
  /** All that was asked for and is settled, as the judge takes it. */
  mutations = [];
  /** `{ id, name }` of each vault that was made. */
  vaults = [];
  /** What was answered and may not be. */
  oddities = [];
  counts = { http: 0, sockets: 0, refused: 0, unknown: 0, applied: 0, again: 0 };
  #on = true;
  #lanes = [];
  #names = 0;

  /** Writes until `stop`; whoever fails otherwise than by an answer fails with it. */
  write(author, chance) {
    const lane = this.#write(author, chance);
    lane.catch(() => {});
    this.#lanes.push(lane);
  }

  async #write(author, chance) {
    while (this.#on) {
      await author.next(chance, this);
      await pause(chance.between(0, PACE));
    }
  }

  async stop() {
    this.#on = false;
    await Promise.all(this.#lanes);
  }

  /** A name that nobody else gives to anything. */
  name(what) {
    return `${what}-${++this.#names}`;
  }

  /** Asks for it, again where that is safe, until it is settled; what the answer said, where there was one. */
  async ask(door, asked) {
    const { outcome, answer } = await this.#settle(door, asked);
    this.#count(door, outcome);
    this.mutations.push({ vault: asked.vault, mark: markOf(expected(asked)), by: door.person.id, outcome, seq: answer?.seq, says: answer?.says });
    this.changed();
    return { outcome, ...answer };
  }

  /** Makes a vault of this name. */
  async make(door, name) {
    const { answer } = await this.#settle(door, { event: 'vault', name, key: name });
    if (answer) this.vaults.push({ id: answer.says.vault.id, name });
  }

  async #settle(door, asked) {
    const isSafe = Boolean(asked.key || asked.done);
    for (let lost = false; ; await pause(REFUSED)) {
      const answer = await door.ask(asked);
      if (answer.unsent) continue;
      if (answer.seq !== undefined) {
        if (asked.never) this.#isOdd(asked, 'done');
        return { outcome: 'acknowledged', answer };
      }
      const { code, details } = answer.error ?? {};
      const isOpen = !answer.error || details?.outcome === 'unknown';
      const isForNow = isOpen || LATER.includes(code);
      if (lost && code !== undefined && code === asked.done) return { outcome: 'applied' };
      if (!isForNow && !asked.refusals?.includes(code)) this.#isOdd(asked, `refused with ${JSON.stringify(answer.error)}`);
      if (isOpen && isSafe && !lost) this.counts.again += 1;
      lost ||= isOpen;
      if (!isForNow || !isSafe) return { outcome: lost && !asked.never ? 'unknown' : 'refused' };
    }
  }

  #isOdd(asked, what) {
    this.oddities.push(`${asked.vault}: ${JSON.stringify(asked)} was ${what}`);
  }

  #count(door, outcome) {
    this.counts[outcome === 'acknowledged' ? door.name : outcome] += 1;
  }

  get acknowledged() {
    return this.counts.http + this.counts.sockets;
  }

  /** Waits until so many more are acknowledged. */
  more(count) {
    const enough = this.acknowledged + count;
    return this.until(() => (this.acknowledged >= enough ? true : undefined), () => `${this.acknowledged} of ${enough} acknowledged`, 60_000);
  }

  /** So many sources at once, by all of these doors. */
  burst(count, doors, vaults, chance) {
    const one = () => {
      const title = this.name('burst');
      return this.ask(chance.pick(doors), { event: 'source:created', vault: chance.pick(vaults).id, title, key: chance.happens(0.5) ? title : undefined });
    };
    return Promise.all(range(1, count).map(one));
  }
}

/** The event that a mutation makes, as far as it is known by it. */
function expected({ event, id, title, userId, role, name }) {
  return { event, payload: { source: { id, title }, sourceId: id, member: { userId, role }, vault: { name } } };
}

/** HTTP in somebody's name. A request that met nobody was not sent. */
export function httpDoor(person) {
  const requests = {
    vault: ({ name }) => ['POST', '/api/vaults', { name }],
    'source:created': ({ vault, title }) => ['POST', `/api/vaults/${vault}/sources`, { ...PAPER, title }],
    'source:updated': ({ id, title }) => ['PATCH', `/api/sources/${id}`, { title }],
    'source:deleted': ({ id }) => ['DELETE', `/api/sources/${id}`],
    'member:added': ({ vault, userId, role }) => ['POST', `/api/vaults/${vault}/members`, { userId, role }],
    'member:updated': ({ vault, userId, role }) => ['PATCH', `/api/vaults/${vault}/members/${userId}`, { role }],
    'member:removed': ({ vault, userId }) => ['DELETE', `/api/vaults/${vault}/members/${userId}`],
    'vault:updated': ({ vault, name }) => ['PATCH', `/api/vaults/${vault}`, { name }],
  };
  return {
    name: 'http',
    person,
    takesConditions: true,
    async ask(asked) {
      const { event, key, match } = asked;
      const headers = { ...(key && { 'idempotency-key': key }), ...(match && { 'if-match': `"${match}"` }) };
      const [method, path, body] = requests[event](asked);
      const answer = await person.request(method, path, body, headers).catch((error) => ({ error }));
      if (answer.error) return { unsent: answer.error.cause?.code === 'ECONNREFUSED' };
      if (answer.status >= 300) return { error: answer.body };
      const thing = event.split(':')[0];
      return { seq: answer.seq, says: answer.body && { [thing]: answer.body } };
    },
  };
}

/** A socket. Who has none at the moment waits for it. */
export function socketDoor(person, listener) {
  const said = {
    'source:created': ({ vault, title, key }) => ({ vaultId: vault, source: { ...PAPER, title }, key }),
    'source:updated': ({ id, title }) => ({ source: { id, title } }),
    'source:deleted': ({ id }) => ({ sourceId: id }),
  };
  return {
    name: 'sockets',
    person,
    async ask(asked) {
      await listener.until(() => listener.socket.connected || undefined, () => `${person.name} is not connected; ${listener}`, 60_000);
      const answer = await listener.socket.timeout(DEADLINE).emitWithAck(asked.event, said[asked.event](asked)).catch(() => undefined);
      if (!answer?.ok) return { error: answer?.error };
      return { seq: answer.seq, says: answer.source && { source: answer.source } };
    },
  };
}

/** Somebody who makes, changes and removes sources of its own. Who is `wavering` may be a viewer at any time. */
export class Author {
  #sources = [];

  constructor(door, vaults, { wavering = false } = {}) {
    Object.assign(this, { door, vaults, refusals: wavering ? ['INSUFFICIENT_PERMISSIONS'] : [] });
  }

  async next(chance, authors) {
    const has = this.#sources.length;
    if (has > 2 && chance.happens(0.35)) await this.#change(chance, authors);
    else if (has > 2 && chance.happens(has / KEPT - 0.2)) await this.#remove(chance, authors);
    else await this.#make(chance, authors);
  }

  async #make(chance, authors) {
    const { id: vault } = chance.pick(this.vaults);
    const title = authors.name('source');
    const key = chance.happens(0.7) ? title : undefined;
    const { seq, says } = await authors.ask(this.door, { event: 'source:created', vault, title, key, refusals: this.refusals });
    if (says) this.#sources.push({ vault, id: says.source.id, title, seq });
  }

  async #change(chance, authors) {
    const source = chance.pick(this.#sources);
    const { vault, id } = source;
    const condition = this.door.takesConditions ? chance.pick(['none', 'none', 'as it is', 'as it is', 'as it never was']) : 'none';
    const asked = { event: 'source:updated', vault, id, title: authors.name('changed'), refusals: this.refusals };
    // Nobody else touches it, so who asked before and finds it changed has changed it.
    if (condition === 'as it is') Object.assign(asked, { match: source.seq, done: 'PRECONDITION_FAILED' });
    if (condition === 'as it never was') Object.assign(asked, { match: source.seq + 1, refusals: ['PRECONDITION_FAILED', ...this.refusals], never: true });
    const { outcome, seq } = await authors.ask(this.door, asked);
    if (seq !== undefined) source.seq = seq;
    else if (outcome !== 'refused') this.#forget(source);
  }

  async #remove(chance, authors) {
    const source = chance.pick(this.#sources);
    const { vault, id } = source;
    const done = chance.happens(0.7) ? 'NOT_FOUND' : undefined;
    const { outcome } = await authors.ask(this.door, { event: 'source:deleted', vault, id, done, refusals: this.refusals });
    if (outcome !== 'refused') this.#forget(source);
  }

  #forget(source) {
    this.#sources = this.#sources.filter((one) => one !== source);
  }
}

/** The owner: it adds guests, gives them other roles and removes them, renames vaults and makes new ones, and never leaves
 * the `wavering` in peace. */
export class Owner {
  #guests = [];

  constructor(door, vaults, wavering) {
    Object.assign(this, { door, vaults, wavering });
  }

  async next(chance, authors) {
    const { id: vault } = chance.pick(this.vaults);
    const ask = (asked) => authors.ask(this.door, asked);
    const guest = this.#guests.length > 3 ? chance.pick(this.#guests) : undefined;
    if (guest && chance.happens(0.3)) {
      this.#guests = this.#guests.filter((one) => one !== guest);
      await ask({ event: 'member:removed', ...guest, done: 'NOT_FOUND' });
    } else if (chance.happens(0.3)) {
      await ask({ event: 'member:updated', vault, userId: this.wavering.id, role: chance.pick(['viewer', 'contributor', 'contributor']) });
    } else if (chance.happens(0.2)) {
      await ask({ event: 'vault:updated', vault, name: authors.name('vault') });
    } else if (chance.happens(0.1)) {
      await authors.make(this.door, authors.name('new-vault'));
    } else {
      const userId = authors.name('guest');
      const { outcome } = await ask({ event: 'member:added', vault, userId, role: 'viewer', key: userId });
      if (outcome === 'acknowledged') this.#guests.push({ vault, userId });
    }
  }
}
