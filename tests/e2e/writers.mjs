// Several people's worth of mutations, over several vaults and without an end, through whatever happens to the service; and
// what must be true of them afterwards.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { PAPER, range } from './plain.mjs';
import { Listener } from './listener.mjs';
import { Watched } from './waiting.mjs';

/** How long somebody who was refused waits until the next try, in milliseconds. */
export const REFUSED = 50;

export class Writers extends Watched {
  /** `{ vault, title, seq }` of every mutation that was answered with success. */
  acknowledged = [];
  /** The titles that were refused. */
  refused = [];
  /** The titles of which nobody knows: the service went away before it answered. */
  unknown = [];
  #on = true;
  #done;

  /**
   * So many at a time. `people` are one person, or the same person at several services, who change things over HTTP, or
   * connected `Listener`s, who do so by their sockets; `pace` is a rest after each.
   */
  constructor(people, vaults, { lanes = 4, pace = 0 } = {}) {
    super();
    this.#done = Promise.all(range(1, lanes).map((lane) => this.#write(people[lane % people.length], vaults, lane, pace)));
    // Who stops them hears of it; meanwhile nobody does.
    this.#done.catch(() => {});
  }

  async #write(person, vaults, lane, pace) {
    for (let number = lane; this.#on; number += 1) {
      const vault = vaults[number % vaults.length];
      const title = `lane ${lane} number ${number}`;
      const add = person instanceof Listener ? bySocket : byHttp;
      const seq = await add(person, vault, { ...PAPER, title });
      if (seq > 0) this.acknowledged.push({ vault, title, seq });
      else if (seq === 0) this.refused.push(title);
      else this.unknown.push(title);
      this.changed();
      const rest = seq > 0 ? pace : REFUSED;
      if (rest > 0) await pause(rest);
    }
  }

  /** Waits until so many more are acknowledged. */
  more(count) {
    const enough = this.acknowledged.length + count;
    const tell = () => `${this.acknowledged.length} of ${enough} acknowledged`;
    return this.until(() => (this.acknowledged.length >= enough ? true : undefined), tell, 30_000);
  }

  async stop() {
    this.close();
    await this.#done;
  }

  close() {
    this.#on = false;
  }

  /** What was acknowledged is in these journals where it was said to be, and what was refused is not. */
  agreeWith(journals) {
    const written = new Map();
    for (const [vault, events] of journals) {
      for (const { seq, payload } of events) {
        assert(!written.has(payload.source.title), `${payload.source.title} was written twice`);
        written.set(payload.source.title, { vault, seq });
      }
    }
    for (const { vault, title, seq } of this.acknowledged) assert.deepEqual(written.get(title), { vault, seq }, `${title} was acknowledged`);
    for (const title of this.refused) assert(!written.has(title), `${title} was refused, and is there`);
    assert(written.size <= this.acknowledged.length + this.unknown.length, 'nobody asked for some of it');
  }
}

/** The number of the event that came of it; 0 when it was refused, and nothing when nobody knows. */
async function byHttp(person, vault, source) {
  const answer = await person.post(`/api/vaults/${vault.id}/sources`, source).catch(() => undefined);
  if (answer === undefined || answer.status === 201) return answer?.seq;
  assert.equal(answer.refuses(503, 'UNAVAILABLE').details, undefined);
  return 0;
}

/** Likewise. A client that is not connected would keep it until it is, so it is asked only one that is. */
async function bySocket(listener, vault, source) {
  const connected = () => (listener.socket.connected ? true : undefined);
  await listener.until(connected, () => `not connected; ${listener}`, 60_000);
  const ask = listener.socket.timeout(10_000).emitWithAck('source:created', { vaultId: vault.id, source });
  const answer = await ask.catch(() => undefined);
  if (answer === undefined || answer.ok) return answer?.seq;
  assert.equal(answer.error.code, 'UNAVAILABLE', JSON.stringify(answer));
  assert.equal(answer.error.details?.outcome, undefined, JSON.stringify(answer));
  return 0;
}

/** The whole journal of each of these vaults, which must have no gap. */
export async function journalsOf(person, vaults) {
  const journals = new Map();
  for (const vault of vaults) {
    const events = await journalOf(person, vault);
    assert.deepEqual(events.map(({ seq }) => seq), range(1, events.length));
    journals.set(vault, events);
  }
  return journals;
}

/** What the vault's journal says after the number `since`, page by page and as it is. */
export async function journalOf(person, vault, since = 0) {
  const events = [];
  for (let page; page?.length !== 0; events.push(...page)) {
    const after = events.at(-1)?.seq ?? since;
    page = (await person.get(`/api/vaults/${vault.id}/events?since=${after}&limit=500`)).is(200).body.events;
  }
  return events;
}
